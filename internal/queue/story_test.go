package queue

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtad/internal/config"
	"mtad/internal/route"
	"mtad/spool"
)

var update = flag.Bool("update", false, "rewrite the stories in testdata")

// TestStories tells the files in testdata to a core. A line is an event, the indented
// lines below it are what the core then wants done.
//
//	set parallel 2 conns 5 batch 100 linger 1s rate 0 share 50 retry 15m limit 4d
//	route x mx1 mx2                  mail for domain x goes to these; "route x" alone: routing fails for now
//	at 10:00:00, at +1d 10:00:00     the time of the next events; "tick" tells the core
//	arrive m1 a@x b@y=never          restore does the same before start; a name that begins with bounce has no sender, a@x+failed has failed
//	finished d1 [busy|dead|again|untried] [closed] [r0=delivered|deferred|failed ...]
//	until +1d 10:00:00 dead          time passes, and jobs end by themselves: dead, or delivered; reports are written
//	told m1, untold m1, warned       the report that was asked for is in the spool, or not
//	lost d1; freeze, thaw, retry, show m1; remove, bounce, reroute m1 [r0 ...]
//	reconfigure takes over what route and set have said since
//	suspend, resume all | domain *.x | site mx*, and "1h"; wake (to the next wake-up); drain; gauges
func TestStories(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no stories in testdata")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(text))
			if *update {
				os.WriteFile(file, []byte(got), 0o644)
			} else if got != string(text) {
				t.Errorf("%s went otherwise (-update accepts it):\n%s", file, got)
			}
		})
	}
}

type story struct {
	dns      bool // destinations are from the DNS
	t        *testing.T
	c        *Core
	set      Settings
	now      time.Time
	routes   map[string][]string
	rcpts    map[string][]string
	jobs     map[DeliveryID]Job
	first    map[spool.ID]time.Time // deferrals
	attempts map[spool.ID]int
	real     Rules // nil: fixedRules
	site     Site
	out      bytes.Buffer

	auto string   // "dead" or "alive": what becomes of jobs by themselves
	todo []Action // of these
}

func tell(t *testing.T, text string) string {
	s := &story{
		t: t, site: Site{Name: "big"}, now: testStart, routes: map[string][]string{}, rcpts: map[string][]string{}, jobs: map[DeliveryID]Job{}, first: map[spool.ID]time.Time{}, attempts: map[spool.ID]int{},
		set: Settings{Epoch: 0, Limits: limits(20, 500, time.Second, 0), Rules: fixedRules{15 * time.Minute, 96 * time.Hour}},
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		s.out.WriteString(line)
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" {
			s.event(f[0], f[1:])
		}
	}
	return s.out.String()
}

func (s *story) event(verb string, args []string) {
	if s.c == nil && verb != "set" {
		s.set.Domains = func(id spool.ID) (domains []string) {
			for _, r := range s.rcpts[name(id)] {
				domains = append(domains, domainOf(r))
			}
			return domains
		}
		s.set.Address = func(id spool.ID, i int) string { return s.rcpts[name(id)][i] }
		s.c = New(s.set)
		if verb != "restore" {
			s.c.Start(s.now)
		}
	}
	switch verb {
	case "set":
		s.configure(args)
	case "route":
		s.routes[args[0]] = args[1:]
	case "at":
		s.now = s.moment(args)
	case "until":
		s.until(args)
	case "restore":
		s.c.Restore(s.now, s.envelope(args))
	case "start":
		s.show(s.c.Start(s.now))
	case "arrive":
		s.show(s.c.Arrived(s.now, s.envelope(args)))
	case "finished":
		s.show(s.c.Finished(s.now, s.report(args)))
	case "gauges":
		g := s.c.Gauges()
		fmt.Fprintf(&s.out, "  active %d ready %d deferred %d frozen %d recipients %d lanes %d\n", g.Active, g.Ready, g.Deferred, g.Frozen, g.Recipients, g.Lanes)
	case "show":
		sum, _ := s.c.Summary(storyID(args[0]))
		fmt.Fprintf(&s.out, "  %s: %s\n", sum.State, sum.Why)
	default:
		s.show(s.command(verb, args))
	}
}

// moment reads "10:00:00" of the first day, or "+2d 10:00:00".
func (s *story) moment(args []string) time.Time {
	days, _ := strconv.Atoi(strings.Trim(args[0], "+d"))
	clock, err := time.Parse("15:04:05", args[len(args)-1])
	if err != nil {
		s.t.Fatal(err)
	}
	day := testStart.Truncate(24*time.Hour).AddDate(0, 0, days)
	return day.Add(clock.Sub(clock.Truncate(24 * time.Hour)))
}

// clock is its inverse.
func clock(t time.Time) string {
	text := t.UTC().Format("15:04:05")
	if days := int(t.Sub(testStart.Truncate(24*time.Hour)) / (24 * time.Hour)); days > 0 {
		text = fmt.Sprintf("+%dd %s", days, text)
	}
	return text
}

func (s *story) command(verb string, args []string) []Action {
	switch verb {
	case "tick":
		return s.c.Tick(s.now)
	case "wake":
		s.now = s.c.NextWake()
		fmt.Fprintf(&s.out, "  it is %s\n", clock(s.now))
		return s.c.Tick(s.now)
	case "drain":
		return s.c.Drain(s.now)
	case "reconfigure":
		return s.c.Reconfigure(s.now, s.set)
	case "told", "untold":
		return s.c.Bounced(s.now, storyID(args[0]), verb == "told")
	case "warned":
		return s.c.Warned(s.now)
	case "lost":
		return s.c.Lost(s.now, deliveryOf(args[0]))
	case "freeze":
		return s.c.Freeze(s.now, storyID(args[0]))
	case "thaw":
		return s.c.Thaw(s.now, storyID(args[0]))
	case "retry":
		return s.c.Retry(s.now, storyID(args[0]))
	case "remove":
		return s.c.Remove(s.now, storyID(args[0]), rcptsOf(args[1:]), "alice")
	case "reroute":
		return s.c.Reroute(s.now, storyID(args[0]), rcptsOf(args[1:]))
	case "suspend":
		x := Suspension{Scope: args[0], Since: s.now, Who: "alice", Why: "test"}
		for _, a := range args[1:] {
			if d, err := time.ParseDuration(a); err == nil {
				x.Until = s.now.Add(d)
			} else {
				x.Pattern = a
			}
		}
		return s.c.Suspend(s.now, x)
	case "resume":
		out, found := s.c.Resume(s.now, args[0], strings.Join(args[1:], ""))
		if !found {
			s.out.WriteString("  nothing is suspended by that name\n")
		}
		return out
	case "bounce":
		return s.c.Bounce(s.now, storyID(args[0]), rcptsOf(args[1:]), "bounced by alice")
	}
	s.t.Fatalf("no such event: %s", verb)
	return nil
}

func (s *story) configure(args []string) {
	lim := s.set.Limits("")
	rules, _ := s.set.Rules.(fixedRules)
	for i := 0; i+1 < len(args); i += 2 {
		n, _ := strconv.Atoi(args[i+1])
		d, _ := time.ParseDuration(args[i+1])
		switch args[i] {
		case "parallel":
			s.set.RemoteMaxParallel = n
		case "conns":
			lim.MaxConnections = n
		case "batch":
			lim.BatchMax = n
		case "linger":
			lim.Linger = d
		case "rate":
			lim.MaxRate = float64(n)
		case "try":
			lim.MaxTry = n
		case "dns":
			s.dns = args[i+1] == "yes"
		case "site":
			names := strings.Split(args[i+1], ",")
			s.set.Site = func(a HostAddr) *Site {
				if slices.Contains(names, a.Name) {
					return &s.site
				}
				return nil
			}
		case "siteconns":
			s.site.MaxConnections = n
		case "siterate":
			s.site.MaxRate = float64(n)
		case "share":
			s.set.Share = n
		case "reports":
			s.set.MaxReports = n
		case "ignore":
			s.set.IgnoreBounceErrorsAfter = d
		case "warning":
			s.set.DelayWarning = nil
			for step := range strings.SplitSeq(args[i+1], ":") {
				d, _ := time.ParseDuration(step)
				s.set.DelayWarning = append(s.set.DelayWarning, d)
			}
		case "rules": // those of the configuration by default
			s.real = route.NewRetry(config.Default().Retry)
		case "retry":
			rules.every = d
		case "limit":
			rules.limit = d
		}
	}
	if s.set.Rules = rules; s.real != nil {
		s.set.Rules = s.real
	}
	s.set.Limits = func(string) Limits { return lim }
}

// rcptsOf reads "r0 r2"; nil for all.
func rcptsOf(args []string) (rcpts []int) {
	for _, a := range args {
		n, _ := strconv.Atoi(strings.TrimPrefix(a, "r"))
		rcpts = append(rcpts, n)
	}
	return rcpts
}

func storyID(name string) (id spool.ID) {
	copy(id[:], name)
	return id
}

func name(id spool.ID) string { return strings.TrimRight(id.String(), "\x00") }

func deliveryOf(name string) DeliveryID {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "d"))
	return DeliveryID(n)
}

func (s *story) envelope(args []string) *spool.Envelope {
	var addresses []string
	var notify []spool.Notify
	var fates []spool.State
	for _, a := range args[1:] {
		a, fate, _ := strings.Cut(a, "+")
		address, wish, _ := strings.Cut(a, "=")
		addresses = append(addresses, address)
		fates = append(fates, spool.State(max(slices.Index(stateNames[:], fate), 0)))
		notify = append(notify, notifyWords[wish])
	}
	s.rcpts[args[0]] = addresses
	env := envelope(storyID(args[0]), s.now, addresses...)
	for i, n := range notify {
		env.Recipients[i].Notify, env.Recipients[i].State = n, fates[i]
	}
	if strings.HasPrefix(args[0], "bounce") {
		env.Sender = ""
	}
	return env
}

func (s *story) report(args []string) Report {
	j := s.jobs[deliveryOf(args[0])]
	r := Report{Delivery: deliveryOf(args[0]), Message: j.Message, Epoch: j.Epoch, Open: true}
	for _, a := range args[1:] {
		switch a {
		case "dead":
			r.Host, r.Kind, r.Error, r.Open = HostFailed, "connect", "Connection refused", false
		case "busy":
			r.Host, r.Kind, r.Error, r.Open = HostBusy, "busy", "421 too many", false
		case "again":
			r.Again, r.Open = true, false
		case "untried":
			r.Host, r.Open = HostUntried, false
		case "closed":
			r.Open = false
		default:
			r.Outcomes = append(r.Outcomes, s.outcome(j.Message, a))
		}
	}
	return r
}

var notifyWords = map[string]spool.Notify{"never": spool.NotifyNever, "success": spool.NotifySuccess, "delay": spool.NotifyDelay}

// outcome reads "r0=delivered".
func (s *story) outcome(id spool.ID, text string) spool.Outcome {
	rcpt, fate, _ := strings.Cut(strings.TrimPrefix(text, "r"), "=")
	n, err := strconv.Atoi(rcpt)
	if err != nil {
		s.t.Fatalf("no outcome: %s", text)
	}
	o := spool.Outcome{ID: id, Rcpt: n, At: s.now}
	switch fate {
	case "delivered":
		o.State = spool.Delivered
	case "failed":
		o.State = spool.Failed
	case "deferred":
		if s.first[id].IsZero() {
			s.first[id] = s.now
		}
		s.attempts[id]++
		o.Attempts, o.FirstFail = s.attempts[id], s.first[id]
	}
	return o
}

// show prints actions, and answers Route from the table.
func (s *story) show(actions []Action) {
	var asks []Route
	for _, a := range actions {
		switch a := a.(type) {
		case Route:
			asks = append(asks, a)
			continue
		case StartDelivery:
			s.give("start", a.Job)
			s.todo = append(s.todo, a)
		case Next:
			s.give("next", a.Job)
			s.todo = append(s.todo, a)
		case Wait:
			fmt.Fprintf(&s.out, "  wait d%d\n", a.Delivery)
		case Hangup:
			fmt.Fprintf(&s.out, "  hangup d%d\n", a.Delivery)
		case Record:
			for _, o := range a.Batch.Outcomes {
				fmt.Fprintf(&s.out, "  record %s r%d %s %s\n", name(o.ID), o.Rcpt, stateNames[o.State], o.Error)
			}
			for _, f := range a.Batch.Hosts {
				fmt.Fprintf(&s.out, "  record fact %q %v\n", f.Key, len(f.Value) > 0)
			}
			for _, f := range a.Batch.Freezes {
				fmt.Fprintf(&s.out, "  record %s frozen %v\n", name(f.ID), f.Frozen)
			}
		case Resumed:
			fmt.Fprintf(&s.out, "  log resumed: %s=%s\n", a.Suspension.Scope, a.Suspension.Pattern)
		case Completed:
			fmt.Fprintf(&s.out, "  completed %s\n", name(a.Message))
		case GaveUp:
			fmt.Fprintf(&s.out, "  ** %s r%d %s\n", name(a.Message), a.Rcpt, a.Text)
		case Deferred:
			fmt.Fprintf(&s.out, "  == %s %v until %s %s\n", name(a.Message), a.Rcpts, clock(a.Next), a.Text)
		case Bounce:
			fmt.Fprintf(&s.out, "  bounce %s %v\n", name(a.Message), a.Rcpts)
			s.todo = append(s.todo, a)
		case Warn:
			fmt.Fprintf(&s.out, "  warn the sender of %s %v (%d)\n", name(a.Message), a.Rcpts, a.Count)
			s.todo = append(s.todo, a)
		case Dropped:
			fmt.Fprintf(&s.out, "  dropped %s r%d\n", name(a.Message), a.Rcpt)
		case Frozen:
			fmt.Fprintf(&s.out, "  log %s %s\n", name(a.Message), a.Text)
		}
	}
	for _, a := range asks {
		s.answer(a)
	}
}

var stateNames = [...]string{"pending", "delivered", "failed", "bounced", "discarded"}

func (s *story) give(how string, j Job) {
	s.jobs[j.Delivery] = j
	last := ""
	if j.LastHost {
		last = " (last host)"
	}
	fmt.Fprintf(&s.out, "  %s d%d %s %v to %s%s\n", how, j.Delivery, name(j.Message), j.Rcpts, j.Host.Name, last)
}

func (s *story) answer(a Route) {
	var dests []Destination
	var faults []RouteFault
	for _, i := range a.Rcpts {
		domain := domainOf(s.rcpts[name(a.Message)][i])
		d := Destination{Router: "r", Transport: "smtp", Lane: domain, DNS: s.dns, Recipients: []int{i}}
		for _, host := range s.routes[domain] {
			n, _ := strconv.Atoi(strings.TrimPrefix(host, "mx"))
			d.Hosts = append(d.Hosts, testHost(n))
		}
		if len(d.Hosts) == 0 {
			faults = append(faults, RouteFault{Recipients: []int{i}, Text: "no answer from the DNS", Router: "r"})
		} else if n := len(dests); n > 0 && dests[n-1].Lane == d.Lane {
			dests[n-1].Recipients = append(dests[n-1].Recipients, i)
		} else {
			dests = append(dests, d)
		}
	}
	s.show(s.c.Routed(s.now, a.Message, dests, faults))
}

// until lets time pass. What happens is shown with its time, connections that end are
// not.
func (s *story) until(args []string) {
	end, mode := s.moment(args[:len(args)-1]), args[len(args)-1]
	for s.auto, s.todo = mode, nil; ; {
		wake := s.c.NextWake()
		if wake.IsZero() || wake.After(end) {
			break
		}
		s.now = wake
		s.stamped(func() []Action { return s.c.Tick(s.now) })
		for len(s.todo) > 0 {
			a := s.todo[0]
			s.todo = s.todo[1:]
			s.stamped(func() []Action { return s.carryOut(a) })
		}
	}
	s.auto, s.now = "", end
}

func (s *story) stamped(f func() []Action) {
	before := s.out.Len()
	s.show(f())
	text := string(s.out.Bytes()[before:])
	s.out.Truncate(before)
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "  hangup") && !strings.HasPrefix(line, "  wait") {
			s.out.WriteString("  " + clock(s.now) + line[1:])
		}
	}
}

// carryOut ends what the core has asked for.
func (s *story) carryOut(a Action) []Action {
	var job Job
	switch a := a.(type) {
	case Bounce:
		return s.c.Bounced(s.now, a.Message, true)
	case Warn:
		return s.c.Warned(s.now)
	case StartDelivery:
		job = a.Job
	case Next:
		job = a.Job
	}
	args, fate := []string{fmt.Sprint("d", job.Delivery)}, "delivered"
	if s.auto == "dead" {
		args, fate = append(args, "dead"), "deferred"
	}
	if s.auto == "alive" || job.LastHost {
		for _, i := range job.Rcpts {
			args = append(args, fmt.Sprintf("r%d=%s", i, fate))
		}
	}
	return s.c.Finished(s.now, s.report(args))
}
