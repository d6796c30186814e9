package queue

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mtad/spool"
)

// world drives a core with random events and keeps its own, naive books.
type world struct {
	t     *rapid.T
	c     *Core
	set   Settings
	now   time.Time
	n     int
	mails map[spool.ID]*mail
	jobs  map[DeliveryID]Job  // given out and not yet reported
	waits map[DeliveryID]bool // told to wait
	open  map[DeliveryID]bool // connections
	asks  []Route
	tells []Bounce // without an answer
	warns int      // the same
	epoch Epoch
	lanes int
	hosts int
	dead  map[HostAddr]bool
	facts map[string]spool.HostFact // suspensions and failing hosts, as the spool has them
	site  *Site                     // of mx1 and mx2
	sent  []int64                   // when it was given its messages
}

type mail struct {
	n      int
	rcpts  []spool.Recipient
	done   bool
	frozen bool
	warned int
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, now: testStart, epoch: 1,
		mails: map[spool.ID]*mail{}, jobs: map[DeliveryID]Job{}, waits: map[DeliveryID]bool{},
		open: map[DeliveryID]bool{}, dead: map[HostAddr]bool{}, facts: map[string]spool.HostFact{},
		lanes: rapid.IntRange(1, 6).Draw(t, "lanes"), hosts: rapid.IntRange(1, 3).Draw(t, "hosts"),
	}
	linger := rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "linger")
	rate := rapid.SampledFrom([]float64{0, 0, 5}).Draw(t, "rate")
	w.set = Settings{
		RemoteMaxParallel: rapid.IntRange(1, 8).Draw(t, "parallel"),
		Limits:            limits(rapid.IntRange(1, 8).Draw(t, "conns"), rapid.IntRange(1, 5).Draw(t, "batch"), linger, rate),
		Rules:             fixedRules{15 * time.Minute, 2 * time.Hour},
		MaxRouting:        rapid.IntRange(1, 4).Draw(t, "routing"),
		Domains:           w.domains,
		Site:              w.siteOf,
		Share:             rapid.IntRange(1, 4).Draw(t, "share"),
		MaxReports:        rapid.IntRange(1, 3).Draw(t, "reports"),

		IgnoreBounceErrorsAfter: 3 * time.Hour,
		DelayWarning:            []time.Duration{time.Hour, 4 * time.Hour},
	}
	if rapid.Bool().Draw(t, "site") {
		w.site = &Site{Name: "s", MaxConnections: rapid.IntRange(0, 4).Draw(t, "site conns"), MaxRate: rapid.SampledFrom([]float64{0, 0, 3}).Draw(t, "site rate")}
	}
	w.revive()
	return w
}

func (w *world) siteOf(a HostAddr) *Site {
	if a == testHost(1) || a == testHost(2) {
		return w.site
	}
	return nil
}

// revive starts a queue (of the next epoch) on what the books have as the spool.
func (w *world) revive() {
	set := w.set
	set.Epoch = w.epoch
	w.epoch++
	w.c = New(set)
	w.asks, w.warns, w.sent = nil, 0, nil
	for _, b := range w.tells { // a report that is being written goes into the spool or not
		if w.n%2 == 0 {
			w.bounced(b)
			m := w.mails[b.Message]
			m.done = !slices.ContainsFunc(m.rcpts, func(r spool.Recipient) bool { return !r.State.Final() }) // the spool has it no more
		}
	}
	w.tells = nil
	var held []Job
	for id := range w.open {
		if j, busy := w.jobs[id]; busy {
			held = append(held, j)
		} else {
			delete(w.open, id) // told to hang up by the supervisor
			delete(w.waits, id)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.facts)) {
		if s, ok := ParseSuspension(w.facts[key]); ok {
			w.c.RestoreSuspension(w.now, s)
			continue
		}
		hosts := len(w.c.hosts)
		if w.c.RestoreHost(w.now, w.facts[key]); len(w.c.hosts) == hosts {
			w.t.Fatalf("not understood: %s", key)
		}
	}
	w.c.InFlight(w.now, held)
	for n := range w.n {
		if m := w.mails[testID(n)]; !m.done {
			w.c.Restore(w.now, w.envelope(testID(n)))
		}
	}
	w.take(w.c.Start(w.now), 0)
}

func (w *world) envelope(id spool.ID) *spool.Envelope {
	m := w.mails[id]
	return &spool.Envelope{ID: id, Received: testStart.Add(time.Duration(m.n)), Sender: m.sender(), Recipients: m.rcpts, Frozen: m.frozen, Warned: m.warned}
}

// sender is the null sender of every fifth message.
func (m *mail) sender() string {
	if m.n%5 == 0 {
		return ""
	}
	return "sender@here"
}

// bounce is a Bounce: of failures only, of one report at a time.
func (w *world) bounce(b Bounce) {
	m := w.mails[b.Message]
	for _, i := range b.Rcpts {
		if m.rcpts[i].State != spool.Failed || m.sender() == "" || m.done {
			w.t.Fatalf("bounce of %v recipient %d, which is %v", b.Message, i, m.rcpts[i].State)
		}
	}
	for _, other := range w.tells {
		if other.Message == b.Message {
			w.t.Fatalf("%v is reported twice", b.Message)
		}
	}
	if w.tells = append(w.tells, b); len(w.tells)+w.warns > w.set.MaxReports {
		w.t.Fatalf("%d reports and %d warnings at a time", len(w.tells), w.warns)
	}
}

func (w *world) warn(a Warn) {
	m := w.mails[a.Message]
	if w.warns++; m.done || m.sender() == "" || a.Count <= m.warned {
		w.t.Fatalf("warning %+v of %+v", a, m)
	}
	m.warned = a.Count
	for _, i := range a.Rcpts {
		if m.rcpts[i].State != spool.Pending {
			w.t.Fatalf("warning of %v recipient %d, which is %v", a.Message, i, m.rcpts[i].State)
		}
	}
}

// bounced is the commit of a report.
func (w *world) bounced(b Bounce) {
	for _, i := range b.Rcpts {
		r := &w.mails[b.Message].rcpts[i]
		if r.State != spool.Failed {
			w.t.Fatalf("%v recipient %d is %v while it is reported", b.Message, i, r.State)
		}
		r.State = spool.Bounced
	}
}

// tell answers one Bounce, or the Warns.
func (w *world) tell(t *rapid.T) {
	for ; w.warns > 0; w.warns-- {
		defer func() { w.take(w.c.Warned(w.now), 0) }()
	}
	if len(w.tells) == 0 {
		return
	}
	b, done := w.tells[0], t == nil || rapid.IntRange(0, 3).Draw(t, "disk") > 0
	w.tells = w.tells[1:]
	if done {
		w.bounced(b)
	}
	w.take(w.c.Bounced(w.now, b.Message, done), 0)
}

// take does what the core wants done. finished is the delivery that asked (0: none).
func (w *world) take(actions []Action, finished DeliveryID) {
	answers := 0
	for _, a := range actions {
		switch a := a.(type) {
		case Route:
			w.asks = append(w.asks, a)
		case StartDelivery:
			if w.open[a.Job.Delivery] {
				w.t.Fatalf("delivery %d started twice", a.Job.Delivery)
			}
			w.open[a.Job.Delivery] = true
			w.give(a.Job)
		case Next:
			if !w.open[a.Job.Delivery] || !w.waits[a.Job.Delivery] && a.Job.Delivery != finished {
				w.t.Fatalf("next for delivery %d, which asked nothing", a.Job.Delivery)
			}
			if a.Job.Delivery == finished {
				answers++
			}
			delete(w.waits, a.Job.Delivery)
			w.give(a.Job)
		case Wait:
			if a.Delivery != finished {
				w.t.Fatalf("wait for %d, which asked nothing", a.Delivery)
			}
			answers++
			w.waits[a.Delivery] = true
		case Hangup:
			if a.Delivery == finished && answers == 0 {
				answers++
			} else if !w.waits[a.Delivery] {
				w.t.Fatalf("hangup of %d, which neither asked nor waits", a.Delivery)
			} else if a.Delivery == finished {
				finished = 0 // waited, and was hung up at once: both answers came
				answers = 1
			}
			delete(w.waits, a.Delivery)
			delete(w.open, a.Delivery)
		case Record:
			w.record(a.Batch)
		case Bounce:
			w.bounce(a)
		case Warn:
			w.warn(a)
		case Completed:
			m := w.mails[a.Message]
			if m.done {
				w.t.Fatalf("%v completed twice", a.Message)
			}
			for _, r := range m.rcpts {
				if !r.State.Final() {
					w.t.Fatalf("%v completed with %v left", a.Message, r)
				}
			}
			m.done = true
		}
	}
	if finished != 0 && answers != 1 {
		w.t.Fatalf("finished %d was answered %d times", finished, answers)
	}
	w.check()
}

func (w *world) record(b spool.Batch) {
	for _, o := range b.Outcomes {
		r := &w.mails[o.ID].rcpts[o.Rcpt]
		if r.State.Final() {
			w.t.Fatalf("%v recipient %d: %v recorded over %v", o.ID, o.Rcpt, o.State, r.State)
		}
		for _, j := range w.jobs {
			for _, i := range j.Rcpts {
				if j.Message == o.ID && i == o.Rcpt {
					w.t.Fatalf("%v recipient %d recorded as %v while delivery %d has it", o.ID, i, o.State, j.Delivery)
				}
			}
		}
		r.State, r.Attempts, r.FirstFail, r.LastTry = o.State, o.Attempts, o.FirstFail, o.At
	}
	for _, f := range b.Hosts {
		w.facts[f.Key] = f
		if len(f.Value) == 0 {
			delete(w.facts, f.Key)
		}
	}
	for _, f := range b.Freezes {
		w.mails[f.ID].frozen = f.Frozen
	}
}

// give hands out a job: nobody else may have any of its recipients.
func (w *world) give(j Job) {
	m := w.mails[j.Message]
	if m == nil || m.done || m.frozen || len(j.Rcpts) == 0 {
		w.t.Fatalf("job %+v should not be", j)
	}
	domains := w.domains(j.Message)
	for _, x := range w.c.susp.list {
		for _, i := range j.Rcpts {
			if x.Scope == SuspendAll || x.Scope == SuspendDomain && x.pattern.Match(domains[i]) || x.Scope == SuspendSite && x.Pattern == "mx*" {
				w.t.Fatalf("job %+v, though %s", j, x)
			}
		}
	}
	for _, i := range j.Rcpts {
		if m.rcpts[i].State != spool.Pending {
			w.t.Fatalf("job for a recipient that is %v", m.rcpts[i].State)
		}
	}
	for _, other := range w.jobs {
		if other.Message != j.Message {
			continue
		}
		for _, i := range j.Rcpts {
			for _, k := range other.Rcpts {
				if i == k {
					w.t.Fatalf("recipient %d of %v was given to %d and %d", i, j.Message, other.Delivery, j.Delivery)
				}
			}
		}
	}
	w.jobs[j.Delivery] = j
	w.spend(j)
}

// spend holds the messages of the site against its rate.
func (w *world) spend(j Job) {
	if w.siteOf(j.Host) == nil || w.site.MaxRate == 0 {
		return
	}
	w.sent = append(w.sent, w.c.ns)
	for i, from := range w.sent {
		if most := 1 + float64(w.c.ns-from)/1e9*w.site.MaxRate; float64(len(w.sent)-i) > most+0.01 {
			w.t.Fatalf("%d messages to the site in %v", len(w.sent)-i, time.Duration(w.c.ns-from))
		}
	}
}

// checkSite recounts what the site has, within its limit.
func (w *world) checkSite(perHost map[*host]int, old bool) {
	for _, s := range w.c.sites {
		n, standing := 0, map[*host]bool{}
		for h, conns := range perHost {
			if h.site == s {
				n += conns
			}
		}
		if s.conns != n || n > s.max() && !old {
			w.t.Fatalf("site %s counts %d connections, has %d, may %d", s.Name, s.conns, n, s.MaxConnections)
		}
		for _, h := range s.waiters {
			if standing[h] || !h.inSite || h.site != s {
				w.t.Fatalf("host %v stands in the list of %s twice, or should not", h.addr, s.Name)
			}
			standing[h] = true
		}
	}
}

// checkWork: nothing that could be begun now is left waiting, once Tick has done what
// time has brought: not where there is room, by a lane that waits there, or nowhere.
func (w *world) checkWork() {
	wake := w.c.NextWake()
	if !wake.IsZero() && wake.Before(w.now.Add(time.Microsecond)) || w.c.halted() || w.c.full() || w.c.susp.domains > 0 {
		return
	}
	for _, l := range w.c.lanes {
		it := l.line.peek(l)
		if it == nil || l.asking || w.c.stopped(l) {
			continue
		}
		if h := w.c.pick(l, it); h != nil && (l.waits == 0 || l.waits&l.bit(h) != 0) {
			w.t.Fatalf("lane %s could have a connection to %v: %s", l.key, h.addr, w.describe(it.msg.id))
		}
	}
}

// check compares the gauges and credits with a naive recount.
func (w *world) check() {
	if n := len(w.open); n != len(w.c.deliveries) {
		w.t.Fatalf("%d connections are open, the core counts %d", n, len(w.c.deliveries))
	}
	perHost := map[*host]int{}
	perLane := map[*lane]int{}
	fresh := 0
	for id, d := range w.c.deliveries {
		perHost[d.host]++
		perLane[d.lane]++
		if id>>40 == DeliveryID(w.c.set.Epoch) {
			fresh++
		}
		if (d.item == nil) != w.waits[id] {
			w.t.Fatalf("delivery %d: lingers %v, was told so %v", id, d.item == nil, w.waits[id])
		}
	}
	if fresh > w.set.RemoteMaxParallel {
		w.t.Fatalf("%d connections with %d credits", fresh, w.set.RemoteMaxParallel)
	}
	for _, h := range w.c.hosts {
		if h.conns != perHost[h] || h.conns > h.max() && fresh == len(w.open) {
			w.t.Fatalf("host %v counts %d connections, has %d, may %d", h.addr, h.conns, perHost[h], h.max())
		}
	}
	w.checkSite(perHost, fresh != len(w.open))
	w.checkWork()
	w.recount(perLane)
}

func (w *world) recount(perLane map[*lane]int) {
	var want Gauges
	items, behind := map[*lane]int{}, map[*lane]int{}
	askedItems, following, deferredItems, rcpts := 0, 0, 0, 0
	for _, m := range w.c.messages {
		states := map[state]int{}
		for i := range m.size() {
			if !m.rcpt(i).state.Final() {
				rcpts++
			}
		}
		m.items(func(it *item) {
			states[it.state]++
			if it.marks&follows != 0 {
				following++
			}
			if it.lane != nil {
				items[it.lane]++
				if it.state == ready && it.alone() && it.lane.blocked {
					behind[it.lane]++
				}
			}
		})
		askedItems += states[asked]
		deferredItems += states[deferred]
		blocked := m.more == nil && m.item.state == ready && m.item.lane != nil && m.item.lane.blocked
		switch {
		case states[active] > 0:
			want.Active++
		case states[ready]+states[asked] > 0 && !blocked:
			want.Ready++
		case states[deferred] > 0 || blocked:
			want.Deferred++
		default:
			want.Frozen++
		}
	}
	got := w.c.Gauges()
	if got.Active != want.Active || got.Ready != want.Ready || got.Deferred != want.Deferred || got.Frozen != want.Frozen || got.Recipients != rcpts {
		w.t.Fatalf("gauges %+v, recount %+v recipients %d", got, want, rcpts)
	}
	if following != w.c.behind || askedItems-following > w.set.MaxRouting {
		w.t.Fatalf("asked %d, behind %d/%d, may %d", askedItems, following, w.c.behind, w.set.MaxRouting)
	}
	if askedItems != w.c.asked || deferredItems != len(w.c.deferred) {
		w.t.Fatalf("asked %d/%d deferred %d/%d", askedItems, w.c.asked, deferredItems, len(w.c.deferred))
	}
	for _, l := range w.c.lanes {
		if l.line.ready < 0 || l.items != items[l] || l.conns != perLane[l] {
			w.t.Fatalf("lane %s: items %d/%d connections %d/%d", l.key, l.items, items[l], l.conns, perLane[l])
		}
	}
}

// arrive puts a new message in.
func (w *world) arrive(t *rapid.T) {
	id := testID(w.n)
	m := &mail{n: w.n, rcpts: make([]spool.Recipient, rapid.IntRange(1, 4).Draw(t, "rcpts"))}
	w.n++
	for i := range m.rcpts {
		m.rcpts[i].Address = fmt.Sprintf("u@d%d", rapid.IntRange(0, w.lanes-1).Draw(t, "lane"))
	}
	w.mails[id] = m
	w.take(w.c.Arrived(w.now, w.envelope(id)), 0)
}

// destinations routes recipient i by its domain; lanes share hosts.
func (w *world) answerRoute(t *rapid.T) {
	if len(w.asks) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.asks)-1).Draw(t, "ask")
	ask := w.asks[i]
	w.asks = append(w.asks[:i], w.asks[i+1:]...)
	var dests []Destination
	var faults []RouteFault
	for _, r := range ask.Rcpts {
		if n := rapid.IntRange(0, 19).Draw(t, "fault"); n < 2 {
			faults = append(faults, RouteFault{Recipients: []int{r}, Permanent: n == 1, Text: "no route", Router: "r"})
			continue
		}
		lane := w.mails[ask.Message].rcpts[r].Address
		var hosts []HostAddr
		for k := range w.hosts {
			hosts = append(hosts, testHost(int(lane[3]-'0')%3+k))
		}
		dests = append(dests, Destination{Router: "r", Transport: "smtp", Lane: lane, Hosts: hosts, Recipients: []int{r}})
	}
	w.take(w.c.Routed(w.now, ask.Message, dests, faults), 0)
}

// behind says that a Route waits for another's look-up.
func (w *world) behind(t *rapid.T) {
	if len(w.asks) == 0 {
		return
	}
	ask := rapid.SampledFrom(w.asks).Draw(t, "behind")
	w.take(w.c.Behind(w.now, ask.Message, ask.Rcpts), 0)
}

func (w *world) somebody(t *rapid.T) (Job, bool) {
	if len(w.jobs) == 0 {
		return Job{}, false
	}
	ids := slices.Sorted(maps.Keys(w.jobs))
	return w.jobs[rapid.SampledFrom(ids).Draw(t, "whose")], true
}

// report ends a job the way rapid likes.
func (w *world) report(t *rapid.T) {
	j, ok := w.somebody(t)
	if !ok {
		return
	}
	r := Report{Delivery: j.Delivery, Epoch: j.Epoch, Message: j.Message, Open: rapid.IntRange(0, 3).Draw(t, "open") > 0}
	delete(w.jobs, j.Delivery)
	switch n := rapid.IntRange(0, 9).Draw(t, "how"); {
	case w.dead[j.Host] || n == 0:
		r.Host, r.Kind, r.Open = HostFailed, "connect", false
		if j.LastHost {
			r.Outcomes = w.outcomes(j, func(int) spool.State { return spool.Pending })
		}
	case n == 1:
		r.Again, r.Open = true, false
	case n == 2:
		r.Host, r.Open = HostUntried, rapid.Bool().Draw(t, "untried open")
	case n == 3:
		r.Host, r.Kind = HostBusy, "busy"
		r.Outcomes = w.outcomes(j, func(i int) spool.State { return spool.State(i % 2) })[:len(j.Rcpts)/2]
	default:
		r.Outcomes = w.outcomes(j, func(i int) spool.State {
			return spool.State(rapid.SampledFrom([]int{0, 1, 1, 1, 1, 2}).Draw(t, "fate"))
		})
	}
	w.take(w.c.Finished(w.now, r), j.Delivery)
}

func (w *world) outcomes(j Job, state func(int) spool.State) []spool.Outcome {
	var out []spool.Outcome
	for n, i := range j.Rcpts {
		r := &w.mails[j.Message].rcpts[i]
		r.State, r.LastTry = state(n), w.now
		if r.State == spool.Pending {
			r.Attempts++
			if r.FirstFail.IsZero() {
				r.FirstFail = w.now
			}
		}
		out = append(out, spool.Outcome{ID: j.Message, Rcpt: i, State: r.State, Attempts: r.Attempts, FirstFail: r.FirstFail, At: w.now})
	}
	return out
}

func (w *world) die(t *rapid.T) {
	if j, ok := w.somebody(t); ok {
		delete(w.jobs, j.Delivery)
		delete(w.open, j.Delivery)
		w.take(w.c.Lost(w.now, j.Delivery), 0)
	}
}

func (w *world) operate(t *rapid.T) {
	if w.n == 0 {
		return
	}
	id := testID(rapid.IntRange(0, w.n-1).Draw(t, "whom"))
	switch rapid.IntRange(0, 8).Draw(t, "what") {
	case 0:
		w.take(w.c.Freeze(w.now, id), 0)
	case 1, 2:
		w.take(w.c.Thaw(w.now, id), 0)
	case 3:
		w.take(w.c.Retry(w.now, id), 0)
	case 4:
		w.take(w.c.Remove(w.now, id, someRcpts(t), "tester"), 0)
	case 6:
		w.take(w.c.Reroute(w.now, id, someRcpts(t)), 0)
	case 7:
		s := someSuspension(t)
		s.Since, s.Who = w.now, "tester"
		if d := rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(t, "for"); d > 0 {
			s.Until = w.now.Add(d)
		}
		w.take(w.c.Suspend(w.now, s), 0)
	case 8:
		s := someSuspension(t)
		actions, _ := w.c.Resume(w.now, s.Scope, s.Pattern)
		w.take(actions, 0)
	case 5:
		w.take(w.c.Bounce(w.now, id, someRcpts(t), "bounced"), 0)
	}
}

func someSuspension(t *rapid.T) Suspension {
	return rapid.SampledFrom([]Suspension{{Scope: SuspendAll}, {Scope: SuspendDomain, Pattern: "d0"}, {Scope: SuspendDomain, Pattern: "d*"},
		{Scope: SuspendSite, Pattern: "mx1"}, {Scope: SuspendSite, Pattern: "mx*"}}).Draw(t, "of what")
}

// domains are those of a message's recipients.
func (w *world) domains(id spool.ID) (domains []string) {
	for _, r := range w.mails[id].rcpts {
		domains = append(domains, domainOf(r.Address))
	}
	return domains
}

// someRcpts are nil, for all, or some that a message may have or not.
func someRcpts(t *rapid.T) []int {
	return rapid.SampledFrom([][]int{nil, nil, {0}, {1}, {0, 2}, {7}}).Draw(t, "rcpts")
}

func (w *world) tick(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{-time.Hour, 0, time.Millisecond, time.Second, 16 * time.Minute, 70 * time.Minute}).Draw(t, "passes"))
	w.take(w.c.Tick(w.now), 0)
}

// finish lets everything work from now on and expects every message to end, those that
// failed in a bounce: NextWake leads there.
func (w *world) finish() {
	clear(w.dead)
	for _, s := range w.c.Suspensions() {
		actions, found := w.c.Resume(w.now, s.Scope, s.Pattern)
		if !found {
			w.t.Fatalf("%s cannot be resumed", s)
		}
		w.take(actions, 0)
	}
	for key := range w.facts {
		if strings.HasPrefix(key, suspendWord) {
			w.t.Fatalf("the spool still has %s", key)
		}
	}
	for n := range w.n {
		w.take(w.c.Thaw(w.now, testID(n)), 0)
	}
	for step := 0; ; step++ {
		if step > 20000 {
			w.t.Fatalf("no end: %+v", w.c.Gauges())
		}
		switch {
		case len(w.asks) > 0:
			ask := w.asks[0]
			w.asks = w.asks[1:]
			d := Destination{Router: "r", Transport: "smtp", Lane: "d0", Hosts: []HostAddr{testHost(0)}, Recipients: ask.Rcpts}
			w.take(w.c.Routed(w.now, ask.Message, []Destination{d}, nil), 0)
		case len(w.tells)+w.warns > 0:
			w.tell(nil)
		case len(w.jobs) > 0:
			j := w.jobs[slices.Min(slices.Collect(maps.Keys(w.jobs)))]
			delete(w.jobs, j.Delivery)
			out := w.outcomes(j, func(int) spool.State { return spool.Delivered })
			w.take(w.c.Finished(w.now, Report{Delivery: j.Delivery, Epoch: j.Epoch, Message: j.Message, Outcomes: out, Open: true}), j.Delivery)
		default:
			wake := w.c.NextWake()
			if wake.IsZero() {
				w.settled()
				return
			}
			if wake.After(w.now.Add(7 * time.Hour)) {
				w.t.Fatalf("next wake is %v away", wake.Sub(w.now))
			}
			if wake.After(w.now) {
				w.now = wake
			}
			w.take(w.c.Tick(w.now), 0)
		}
	}
}

func (w *world) settled() {
	if len(w.facts) > 0 {
		w.t.Fatalf("the spool still has %v", w.facts)
	}
	if len(w.open) > 0 {
		w.t.Fatalf("connections are left open: %v", w.open)
	}
	for id, m := range w.mails {
		for _, r := range m.rcpts {
			if !r.State.Final() {
				w.t.Fatalf("%v: a recipient is forgotten: %s", id, w.describe(id))
			}
		}
		if !m.done {
			w.t.Fatalf("%v: not completed", id)
		}
	}
}

func (w *world) describe(id spool.ID) string {
	m := w.c.messages[id]
	if m == nil {
		return "unknown to the core"
	}
	text := fmt.Sprintf("%+v", *m)
	m.items(func(it *item) { text += fmt.Sprintf("\nitem %+v %v", *it, it.rcpts()) })
	for _, l := range w.c.lanes {
		text += fmt.Sprintf("\nitem lane %s ring %v waits %b blocked %v asking %v conns %d ready %d order %v confirmed %v ago", l.key, l.inRing, l.waits, l.blocked, l.asking, l.conns, l.line.ready, l.order, time.Duration(w.c.ns-l.confirmed))
		for _, h := range l.hosts {
			text += fmt.Sprintf("\nitem   host %v conns %d window %d probing %v retry in %v waiters %d alarm %v room %v", h.addr, h.conns, h.window, h.probing, time.Duration(h.retryAt-w.c.ns), len(h.waiters), h.alarm.set, h.room(w.c.ns))
		}
	}
	return text + fmt.Sprintf("\nunrouted %d, asked %d, core %+v", w.c.unrouted.ready, w.c.asked, w.set)
}

// TestWorld: no message is lost or doubled, credits are neither exceeded nor leaked,
// every Finished is answered once, gauges are right, and all comes to an end
// (THREATS A17, DU-13, DU-26).
func TestWorld(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"arrive":  w.arrive,
			"arrive2": w.arrive,
			"route":   w.answerRoute,
			"route2":  w.answerRoute,
			"behind":  w.behind,
			"report":  w.report,
			"report2": w.report,
			"report3": w.report,
			"die":     w.die,
			"tell":    w.tell,
			"operate": w.operate,
			"tick":    w.tick,
			"breaks":  func(t *rapid.T) { w.dead[testHost(rapid.IntRange(0, 4).Draw(t, "host"))] = true },
			"works":   func(t *rapid.T) { delete(w.dead, testHost(rapid.IntRange(0, 4).Draw(t, "host"))) },
			"restart": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
					w.revive()
				}
			},
		})
		w.finish()
	})
}
