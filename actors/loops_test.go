package actors

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtad/spool"
)

// onlyLogged wants a line of the main log so often, and now.
func (r *relay) onlyLogged(n int, text string) {
	r.t.Helper()
	if got := strings.Count(r.mainlog(), text); got != n {
		r.t.Errorf("%q is %d times in the log, not %d:\n%s", text, got, n, r.mainlog())
	}
}

// THREATS LO-01, LO-06: what is refused while its client is there is the client's to
// tell of. Nobody else, least of all a sender who may be forged, gets a bounce.
func TestLO06NothingRefusedIsBounced(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil, `main: recipients_max = 1`, `main: enhanced_status_advertise_hosts = "*"`)
	r.hop.onDot(refuse("bad"))
	c := dialTest(t, r.addr)
	defer c.conn.Close()
	c.want("220")
	c.say("EHLO client.test").want("250")
	message := func(text string) *talker {
		c.say("MAIL FROM:<forged@victim.test>").want("250")
		c.say("RCPT TO:<b@y.test>").want("250")
		c.say("RCPT TO:<refused@y.test>").want("452")
		c.say("RCPT TO:<no at sign>").want("501")
		c.say("DATA").want("354")
		return c.say(text + "\r\n\r\nbody\r\n.")
	}
	if reply := message(strings.Repeat("Received: by x; y\r\n", 100) + "Subject: loop").want("554"); !strings.Contains(reply, "5.4.6") {
		t.Error(reply) // LO-01
	}
	message("Subject: good").want("250")
	message("Subject: bad").want("250")
	c.say("QUIT").want("221")
	r.logged(3, "Completed")
	r.idle()
	r.exactly("good", bounceSubject)
	r.onlyLogged(1, " <= <> ")
	r.onlyLogged(0, " => refused@")
	r.onlyLogged(0, " ** refused@")
}

// THREATS LO-02: two relays that send mail to one another: it ends at the limit of
// Received: lines, with one bounce, and nobody is told that the bounce goes round too.
func TestLO02ForwardingPair(t *testing.T) {
	t.Parallel()
	var other atomic.Value
	limit := `main: received_headers_max = 6`
	a := relayOn(t, t.TempDir(), forwarder(t, &other), nil, limit)
	b := relayOn(t, t.TempDir(), &hop{addr: a.addr}, nil, limit)
	other.Store(b.addr)
	a.submit("round")
	frozen := func(r *relay) (n, all int) {
		r.spool.Range(func(env *spool.Envelope) bool {
			all++
			if env.Sender == "" && env.Frozen {
				n++
			}
			return true
		})
		return n, all
	}
	a.until("all is over but one bounce, which is frozen", func() bool {
		n, all := frozen(a)
		m, more := frozen(b)
		return n+m == 1 && all+more == 1
	})
	logs := func() string { return a.mainlog() + b.mainlog() }
	a.until("the log says so", func() bool { return strings.Contains(logs(), "Frozen: delivery error message") })
	if n := strings.Count(logs(), " P=local "); n != 1 {
		t.Errorf("%d bounces\n%s\n%s", n, a.mainlog(), b.mainlog())
	}
}

// forwarder is a port that leads to an address known later.
func forwarder(t *testing.T, to *atomic.Value) *hop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to.Load().(string))
			if err != nil {
				in.Close()
				continue
			}
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	return &hop{addr: l.Addr().String()}
}

// withMessage opens a spool in dir with what f makes of a draft.
func withMessage(t *testing.T, dir string, f func(d *spool.Draft)) {
	t.Helper()
	sp, err := spool.Open(dir+"/spool", spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	d := sp.NewDraft()
	d.Envelope.Sender, d.Envelope.Received = "a@x.test", time.Now()
	f(d)
	if err := sp.Commit(&spool.Batch{New: []*spool.Draft{d}}); err != nil {
		t.Fatal(err)
	}
}

// THREATS LO-05, LO-07: ten thousand recipients that a hostile host refused with as many
// words as it could, and 50 MB to be returned: one bounce, of bounded size.
func TestLO07LargestBounce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	withMessage(t, dir, func(d *spool.Draft) {
		d.Envelope.Ret = spool.RetFull
		why := "SMTP error from remote mailer after RCPT: host mx.evil.test [192.0.2.1]: 550 5.1.1 \x1b[2J\r\nSubject: " + strings.Repeat("no ", 400)
		for i := range 10000 {
			d.Envelope.Recipients = append(d.Envelope.Recipients,
				spool.Recipient{Address: fmt.Sprintf("u%d@y.test", i), State: spool.Failed, Attempts: 1, LastError: why[:1024]})
		}
		d.Write([]byte("Subject: large\r\n\r\n"))
		line := []byte(strings.Repeat("x", 1022) + "\r\n")
		for range 50 << 10 {
			d.Write(line)
		}
	})
	h := newHop(t)
	r := relayOn(t, dir, h, nil)
	r.idle()
	r.exactly(bounceSubject)
	r.logged(2, "Completed")
	r.onlyLogged(1, " <= <> ")
	var size int
	line := r.mainlog()[strings.Index(r.mainlog(), " <= <> "):]
	fmt.Sscanf(line[strings.Index(line, " S="):], " S=%d", &size)
	if size < 1<<20 || size > 6<<20 {
		t.Errorf("the bounce has %d bytes", size)
	}
}

// THREATS A13: ten thousand messages in the spool: the daemon answers within five
// seconds and has all in its schedule within thirty, none tried before its time.
func TestA13Restart(t *testing.T) {
	t.Parallel()
	const n = 10000
	dir := t.TempDir()
	sp, err := spool.Open(dir+"/spool", spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var batch spool.Batch
	for i := range n {
		d := sp.NewDraft()
		d.Envelope.Sender, d.Envelope.Received = "a@x.test", now
		d.Envelope.Recipients = []spool.Recipient{{Address: fmt.Sprintf("u@d%d.test", i%100), Attempts: 1, FirstFail: now, LastTry: now, LastError: "later"}}
		d.Write([]byte("Subject: waits\r\n\r\nbody\r\n"))
		batch.New = append(batch.New, d)
	}
	if err := sp.Commit(&batch); err != nil {
		t.Fatal(err)
	}
	sp.Close()
	h := newHop(t)
	begun := time.Now()
	r := relayOn(t, dir, h, nil)
	dialTest(t, r.addr).want("220")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it answered after %s", took)
	}
	r.until("all are scheduled", func() bool { g := r.gauges(); return g.Deferred == n })
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("all were scheduled after %s", took)
	}
	if h.count() != 0 {
		t.Errorf("%d connections before their time", h.count())
	}
}

// A queue that dies when a message has ended, but not in its books: its successor
// completes the message in the log.
func TestCompletedBehindADeadQueue(t *testing.T) {
	t.Parallel()
	for point, completed := range map[string]int{"report: recorded": 3, "attempt: recorded": 2} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			var once sync.Once
			reached, release := make(chan struct{}), make(chan struct{})
			r := newRelay(t, func(at string) {
				if at == point {
					once.Do(func() { close(reached); <-release })
				}
			})
			r.hop.onDot(func(subject string) string {
				if point == "report: recorded" {
					return refuse("message")(subject)
				}
				return "250 OK"
			})
			r.submit("message")
			<-reached
			r.killQueue()
			r.until("the log completes it", func() bool { return strings.Contains(r.mainlog(), "Completed") })
			close(release)
			r.submit("another")
			r.idle()
			r.gauges()
			r.logged(completed, "Completed")
		})
	}
}
