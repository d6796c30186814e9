package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mtad/internal/config"
	loads "mtad/internal/load"
	"mtad/spool"
)

// startQueue starts a daemon that finds n messages in its spool, each deferred a moment ago for
// u@a.test and v@b.test. A router sends all to a port where nobody listens; another one,
// "backup", which takes no domain, to the sink. Those numbered in rerouted were sent there in an
// earlier life.
func startQueue(t *testing.T, n int, rerouted ...int) *small {
	t.Helper()
	dir := t.TempDir()
	smtp, web, hop, dead := listenTest(t), listenTest(t), listenTest(t), listenTest(t)
	dead.Close()
	d := &small{file: filepath.Join(dir, "config.toml"), smtp: smtp.Addr().String(), admin: web.Addr().String(), sink: &loads.Sink{}, hop: hop.Addr().String()}
	go d.sink.Serve(hop)
	t.Cleanup(d.sink.Close)
	text := fmt.Sprintf("primary_hostname = \"relay.test\"\n[[listen]]\naddress = %q\n[[router]]\nname = \"first\"\ndriver = \"domainlist\"\ndomains = \"*\"\nhosts = [%q]\n[[router]]\nname = \"backup\"\ndriver = \"domainlist\"\ndomains = \"!*\"\nhosts = [%q]\n[admin]\naddress = %q\ntoken_file = \"token\"\n",
		d.smtp, dead.Addr(), d.hop, d.admin)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(d.file)
	if err != nil {
		t.Fatal(err)
	}
	d.ids = fillTest(t, cfg.SpoolDirectory, n, rerouted)
	d.serve(t, cfg, smtp, web)
	return d
}

func fillTest(t *testing.T, dir string, n int, rerouted []int) (ids []string) {
	t.Helper()
	sp, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	var in, out spool.Batch
	for number := range n {
		m := sp.NewDraft()
		fmt.Fprintf(m, "Subject: x\r\n\r\nx\r\n")
		m.Envelope.ID = sp.NextID()
		m.Envelope.Sender = "s@c.test"
		m.Envelope.Recipients = []spool.Recipient{{Address: "u@a.test"}, {Address: "v@b.test"}}
		in.New = append(in.New, m)
		ids = append(ids, m.Envelope.ID.String())
		for i := range 2 {
			out.Outcomes = append(out.Outcomes, spool.Outcome{ID: m.Envelope.ID, Rcpt: i, State: spool.Pending, Attempts: 1, FirstFail: time.Now(), At: time.Now(), Error: "refused"})
			if slices.Contains(rerouted, number) {
				out.Reroutes = append(out.Reroutes, spool.Reroute{ID: m.Envelope.ID, Rcpt: i, To: "router=backup"})
			}
		}
	}
	for _, b := range []*spool.Batch{&in, &out} {
		if err := sp.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

func (d *small) queue(t *testing.T, want int, args ...string) string {
	t.Helper()
	return says(t, want, runQueue, append([]string{"-config", d.file}, args...)...)
}

func (d *small) mainlog(t *testing.T) string {
	t.Helper()
	d.log.Flush(5 * time.Second)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(d.file), "log", "mainlog"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What acts and what lists goes through the queue in slices of 500, and misses nobody, nor
// meets one twice.
func TestQueueInSlices(t *testing.T) {
	t.Parallel()
	const n = 2*lookSlice + 250
	d := startQueue(t, n)
	counts := func(what string, want int, args ...string) {
		t.Helper()
		if got := strings.Count(d.queue(t, exitOK, args...), what); got != want {
			t.Errorf("%q: %d of %q, want %d", args, got, what, want)
		}
	}
	counts(" <s@c.test>", n, "list")
	counts(" <s@c.test>", 620, "list", "all", "-max", "620")
	counts(" <s@c.test>", 130, "show", "all", "-max", "130")
	counts(" <s@c.test>", 2, "show", d.ids[0], d.ids[n-1], d.ids[3], "-max", "2")
	counts(fmt.Sprintf("freeze: %d messages, %d recipients are meant by all\n", n, 2*n), 1, "freeze", "all", "-dry-run")
	counts("*** frozen ***", 0, "list")
	counts(fmt.Sprintf("freeze: %d of %d done\n", n, n), 1, "freeze", "all")
	counts("*** frozen ***", n, "list", "state=frozen")
	counts(fmt.Sprintf("remove: %d messages, %d recipients are meant by domain=a.test\nremove: %d of %d done\n", n, n, n, n), 1, "remove", "domain=a.test")
	counts("remove: 0 messages", 1, "remove", "domain=a.test")
	counts("D u@a.test", n, "list")
	if got := strings.Count(d.mainlog(t), " removed by "); got != n {
		t.Errorf("%d log lines of %d removed messages", got, n)
	}
	out := d.queue(t, exitFailed, "remove", d.ids[0], d.ids[1], "1xVfQc-000003-Lf")
	if !strings.Contains(out, "remove: 2 of 3 done\n1xVfQc-000003-Lf: ") {
		t.Error(out)
	}
	counts(" <s@c.test>", n-2, "list")
}

// AM-08: two who act at once: each message is acted on as by one after the other, each act is
// in the log, and none is half done.
func TestAM08TwoActsAtOnce(t *testing.T) {
	t.Parallel()
	const n = lookSlice + 100
	d := startQueue(t, n)
	var wg sync.WaitGroup
	var acted sync.Map
	for _, args := range [][]string{{"remove", "domain=a.test"}, {"freeze", "all"}, {"remove", "all"}, {"bounce", "domain=b.test", "-reason", "why"}, {"thaw", "all"}} {
		wg.Go(func() {
			out := d.queue(t, exitOK, args...)
			if !strings.Contains(out, ": 0 of 0 done") && !strings.Contains(out, ": 0 messages") { // others were faster
				acted.Store(args[0]+" "+args[1], true)
			}
		})
	}
	wg.Wait()
	d.queue(t, exitOK, "remove", "all") // what came between
	if left := d.queue(t, exitOK, "list", "sender=s@c.test"); left != "" {
		t.Errorf("left are\n%.500s", left)
	}
	completed := func() int { return strings.Count(d.mainlog(t), " Completed") }
	d.until(t, "message completed", func() bool { return completed() >= n })
	log := d.mainlog(t)
	for _, id := range d.ids {
		if done := strings.Count(log, id+" Completed"); done != 1 {
			t.Fatalf("%s was completed %d times", id, done)
		}
	}
	if panics, _ := os.ReadFile(filepath.Join(filepath.Dir(d.file), "log", "paniclog")); len(panics) > 0 {
		t.Errorf("%.500s", panics)
	}
	acted.Range(func(act, _ any) bool {
		if !strings.Contains(log, "admin: "+act.(string)+" by ") {
			t.Errorf("no line of %s", act)
		}
		return true
	})
}

// A reroute sends the recipients that are meant, and no others, to another router or to hosts.
func TestReroute(t *testing.T) {
	t.Parallel()
	d := startQueue(t, 4, 3)
	d.queue(t, exitOK, "retry", d.ids[3])
	d.until(t, "delivery of what was rerouted before the start", func() bool { return strings.Contains(d.mainlog(t), d.ids[3]+" Completed") })
	for _, wrong := range [][]string{{"reroute", "all"}, {"reroute", "all", "-router", "backup", "-hosts", "x"}, {"retry", "all", "-router", "backup"}} {
		d.queue(t, exitUsage, wrong...)
	}
	if out := d.queue(t, exitFailed, "reroute", "all", "-router", "bakcup"); !strings.Contains(out, `there is no router "bakcup" (did you mean "backup"?)`) {
		t.Error(out)
	}
	d.queue(t, exitOK, "reroute", "all", "-router", "backup", "-dry-run")
	d.queue(t, exitOK, "freeze", "all")
	d.queue(t, exitOK, "reroute", "domain=b.test", "-router", "backup", "-reason", "the first is down")
	d.queue(t, exitOK, "reroute", d.ids[0], "domain=a.test", "-hosts", d.hop)
	if out := d.queue(t, exitOK, "show", d.ids[0]); !strings.Contains(out, "u@a.test\n            rerouted to hosts="+d.hop+"\n") || !strings.Contains(out, "v@b.test\n            rerouted to router=backup\n") {
		t.Error(out)
	}
	d.queue(t, exitOK, "reroute", d.ids[2], "-undo")
	d.queue(t, exitOK, "thaw", "all")
	d.until(t, "five recipients at the sink", func() bool { return d.sink.Totals().Recipients == 5 })
	d.until(t, "one message left of which one recipient went, and one of which none did", func() bool {
		out := d.queue(t, exitOK, "list", "state=deferred")
		return strings.Count(out, " <s@c.test>") == 2 && strings.Count(out, "D v@b.test") == 1 && strings.Count(out, "D u@a.test") == 0
	})
	log := d.mainlog(t)
	for _, line := range []string{d.ids[1] + " rerouted to router=backup by ", "): the first is down\n", d.ids[0] + " rerouted to hosts=" + d.hop + " by ", d.ids[2] + " rerouted to where the routers say by ",
		d.ids[1] + " => v@b.test R=backup T=smtp", d.ids[0] + " => u@a.test R=first T=smtp", "admin: reroute domain=b.test to router=backup by "} {
		if !strings.Contains(log, line) {
			t.Errorf("no line %q in\n%s", line, log)
		}
	}
}

// until waits for what comes by itself.
func (d *small) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s:\n%s", what, d.mainlog(t))
		}
	}
}
