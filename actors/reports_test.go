package actors

import (
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mtad/spool"
)

const (
	bounceSubject  = "Mail delivery failed: returning message to sender"
	relayedSubject = "Delivery Status Notification"
)

// refuse makes the hop refuse what has that subject.
func refuse(subject string) func(string) string {
	return func(s string) string {
		if s == subject {
			return "550 5.7.1 no"
		}
		return "250 OK"
	}
}

// THREATS LO-04: what fails comes back to its sender, from nobody, in the order of the
// log that Exim's tools know.
func TestLO04Bounce(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	r.hop.onDot(refuse("bad"))
	r.submit("bad", "good")
	r.idle()
	r.exactly("good", bounceSubject)
	r.logged(3, "Completed")
	id := `[0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}`
	failed := regexp.MustCompile(`(` + id + `) \*\* b@y\.test R=hop T=smtp: .* 550 5\.7\.1 no\n`).FindStringSubmatch(r.mainlog())
	if failed == nil {
		t.Fatalf("no failure in the log:\n%s", r.mainlog())
	}
	bounce := regexp.MustCompile(`(` + id + `) <= <> R=` + failed[1] + ` U=\S+ P=local S=\d+\n`).FindStringSubmatch(r.mainlog())
	if bounce == nil || !strings.Contains(r.mainlog(), bounce[1]+" => a@x.test R=hop") {
		t.Fatalf("no bounce in the log:\n%s", r.mainlog())
	}
}

// THREATS LO-03: a bounce that fails is kept, frozen, and nobody is told.
func TestLO03NoBounceOfABounce(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	r.hop.onDot(func(string) string { return "550 no" })
	r.submit("bad")
	r.logged(1, `Frozen: delivery error message`)
	r.until("the first is over, and the bounce frozen in the spool", func() bool {
		n, frozen := 0, 0
		r.spool.Range(func(env *spool.Envelope) bool {
			n++
			if env.Sender == "" && env.Frozen && env.Recipients[0].State == spool.Failed {
				frozen++
			}
			return true
		})
		return n == 1 && frozen == 1
	})
	r.logged(1, " <= <> ")
}

// With ignore_bounce_errors_after = 0 it is dropped at once, with a line in the log.
func TestBounceErrorsIgnored(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil, `main: ignore_bounce_errors_after = "0"`)
	r.hop.onDot(func(string) string { return "550 no" })
	r.submit("bad")
	r.logged(1, ` a@x\.test: error ignored: `)
	r.logged(2, "Completed")
	r.idle()
}

// submitTo sends one message with these parameters of MAIL and RCPT.
func (r *relay) submitTo(subject, mail string, rcpts ...string) {
	r.t.Helper()
	c := dialTest(r.t, r.addr)
	defer c.conn.Close()
	c.want("220")
	c.say("EHLO client.test").want("250")
	c.say("MAIL FROM:<a@x.test>" + mail).want("250")
	for _, to := range rcpts {
		c.say("RCPT TO:" + to).want("250")
	}
	c.say("DATA").want("354")
	c.say("Subject: " + subject + "\r\n\r\nbody\r\n.").want("250")
	c.say("QUIT").want("221")
}

// THREATS LO-11: who asks not to be told is not; who asks to be told of success is told
// that the next hop will say no more.
func TestLO11Notify(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	r.hop.onDot(refuse("bad"))
	r.submitTo("bad", "", "<b@y.test> NOTIFY=NEVER", "<c@y.test> NOTIFY=SUCCESS")
	r.submitTo("good", " ENVID=q", "<b@y.test> NOTIFY=SUCCESS", "<c@y.test> NOTIFY=NEVER", "<d@y.test>")
	r.logged(3, "Completed")
	r.idle()
	r.exactly("good", relayedSubject)
	r.logged(1, " <= <> ")
}

// What an earlier version kept failed, for want of bounces, is bounced at the start.
func TestOldFailuresAreBounced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sp, err := spool.Open(dir+"/spool", spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := sp.NewDraft()
	d.Envelope.Sender = "a@x.test"
	d.Envelope.Recipients = []spool.Recipient{{Address: "b@y.test", State: spool.Failed, Attempts: 1, LastError: "550 no"}}
	d.Write([]byte("Subject: old\r\n\r\nbody\r\n"))
	if err := sp.Commit(&spool.Batch{New: []*spool.Draft{d}}); err != nil {
		t.Fatal(err)
	}
	sp.Close()
	r := relayOn(t, dir, newHop(t), nil)
	r.idle()
	r.exactly(bounceSubject)
}

// A queue that dies while a sender is being told: its successor does not tell him again.
func TestBounceAndADeadQueue(t *testing.T) {
	t.Parallel()
	var once sync.Once
	written, release := make(chan struct{}), make(chan struct{})
	var reports atomic.Int32
	r := newRelay(t, func(point string) {
		if point == "report: written" {
			reports.Add(1)
			once.Do(func() { close(written); <-release })
		}
	})
	r.hop.onDot(refuse("bad"))
	r.submit("bad")
	<-written
	r.killQueue()
	r.submit("good")
	r.until("the new queue works", func() bool { return len(r.hop.got()) == 1 })
	close(release)
	r.logged(3, "Completed")
	r.idle()
	r.exactly("good", bounceSubject)
	if n := reports.Load(); n != 1 {
		t.Errorf("%d reports of one failure", n)
	}
}
