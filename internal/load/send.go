package load

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mtad/internal/auth"
)

// Sender submits mail. Its exported fields are set before Run and not changed
// afterwards.
type Sender struct {
	To            string          // address of the server
	Sessions      int             // connections at a time
	Messages      int             // in all
	Size          int             // bytes a message
	SizeOf        func(n int) int // overrides Size
	Rcpts         int             // recipients a message
	From          string          // "" is the null sender
	Rcpt          string          // "user%d@test": %d is the recipient's number
	Domains       int             // spread recipients over d0.test, d1.test …; 0: as Rcpt says
	Rate          float64         // messages a second over all sessions; 0: as fast as it goes
	PerConnection int             // messages a connection; 0: no limit
	Pipelining    bool            // where the server offers it
	BDAT          bool            // where the server offers CHUNKING
	File          []byte          // send this message instead of a made one
	Helo          string
	TLS           *tls.Config       // what STARTTLS is done with; nil: it is not said
	Auth          []auth.Credential // the strongest that the server offers is used; nil: AUTH is not said
	Restart       bool              // shut TLS down after each message, and begin anew on the same connection
	Wait          time.Duration     // keep trying to connect for so long

	Progress func(line string) // called every second, if set

	// Record is told of each message before it is sent and when its fate is
	// known. It is called by all sessions at once.
	Record func(Entry)

	greeting     greeting
	run          string // makes ids unique over runs
	started      time.Time
	next         atomic.Int64 // number of the next message
	acked        atomic.Int64
	failed       atomic.Int64
	rcptsRefused atomic.Int64
	dot, mail    histogram
	mu           sync.Mutex
	errors       map[string]int // by code or cause
	elapsed      time.Duration
}

// Run sends all messages and returns what came of it when each has
// its fate. The end of ctx closes all connections.
func (s *Sender) Run(ctx context.Context) Summary {
	var b [6]byte // a kill test makes hundreds of runs, and no two may be taken for one
	rand.Read(b[:])
	s.run, s.errors, s.started = hex.EncodeToString(b[:]), map[string]int{}, time.Now()
	s.greeting = greeting{s.Helo, s.TLS, s.Auth, new(auth.Client)}
	if s.File != nil {
		s.File = normalise(s.File)
	}
	var wg sync.WaitGroup
	for range max(1, min(s.Sessions, s.Messages)) {
		wg.Go(func() { s.session(ctx) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	everySecond(done, func() { s.report() })
	s.elapsed = time.Since(s.started)
	return s.summary()
}

// session is one worker: it takes the next message until none is left.
func (s *Sender) session(ctx context.Context) {
	var c *client
	var stop func() bool
	var buf []byte
	hangUp := func() {
		if c != nil {
			stop()
			c.quit()
			c = nil
		}
	}
	defer hangUp()
	for ctx.Err() == nil {
		n := int(s.next.Add(1) - 1)
		if n >= s.Messages {
			return
		}
		if !s.pace(ctx, n) {
			return
		}
		if c == nil {
			var err error
			if c, err = s.connect(ctx); err != nil {
				s.fail(err)
				continue
			}
			stop = context.AfterFunc(ctx, c.abort)
		}
		if s.Restart && s.TLS != nil && c.sent > 0 {
			if err := c.restart(&s.greeting); err != nil {
				s.fail(err)
				hangUp()
				continue
			}
		}
		buf = buf[:0]
		if !s.send(c, n, &buf) || s.PerConnection > 0 && c.sent >= s.PerConnection {
			hangUp()
		}
	}
}

// pace waits until message n is due.
func (s *Sender) pace(ctx context.Context, n int) bool {
	if s.Rate <= 0 {
		return true
	}
	due := s.started.Add(time.Duration(float64(n) / s.Rate * float64(time.Second)))
	return sleep(ctx, time.Until(due))
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connect dials until it is let in, for Wait at most.
func (s *Sender) connect(ctx context.Context) (*client, error) {
	deadline := time.Now().Add(s.Wait)
	for {
		c, err := dial(s.To, &s.greeting)
		if err == nil || time.Now().After(deadline) {
			return c, err
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return nil, err
		}
	}
}

// send sends message n; false means that the connection is of no more use.
func (s *Sender) send(c *client, n int, buf *[]byte) bool {
	e := Entry{Fate: Intent, ID: fmt.Sprintf("%s-%d", s.run, n), Sender: s.From, Rcpts: s.recipients(n)}
	*buf = appendMessage(*buf, e.ID, e.Sender, e.Rcpts[0], s.Helo, n, s.size(n), s.File, time.Now())
	if s.Record != nil {
		sum := sha256.Sum256(*buf)
		e.SHA, e.Size = hex.EncodeToString(sum[:]), int64(len(*buf))
		s.Record(e)
	}
	res, err := c.transact(e.Sender, e.Rcpts, *buf, s.Pipelining, s.BDAT)
	s.settle(&e, &res, err)
	return err == nil && res.inSequence
}

func (s *Sender) settle(e *Entry, res *result, err error) {
	switch {
	case err != nil:
		e.Fate = Unknown
		s.fail(err)
	case res.acked():
		e.Fate = Acked
		s.acked.Add(1)
		s.rcptsRefused.Add(int64(len(e.Rcpts) - len(res.accepted)))
		s.dot.add(res.done.Sub(res.dot))
		s.mail.add(res.done.Sub(res.mail))
	default:
		e.Fate = Nacked
		s.fail(refused{"the message", res.last})
	}
	if s.Record != nil {
		e.Rcpts, e.Code = res.accepted, res.last.code
		s.Record(*e)
	}
}

func (s *Sender) size(n int) int {
	if s.SizeOf != nil {
		return s.SizeOf(n)
	}
	return s.Size
}

// recipients of message n: no address comes twice before the numbers wrap.
func (s *Sender) recipients(n int) []string {
	rcpts := make([]string, max(1, s.Rcpts))
	for i := range rcpts {
		k := n*len(rcpts) + i
		rcpt := s.Rcpt
		if strings.Contains(rcpt, "%d") {
			rcpt = strings.ReplaceAll(rcpt, "%d", fmt.Sprint(k))
		}
		if s.Domains > 0 {
			local, _, _ := strings.Cut(rcpt, "@")
			rcpt = fmt.Sprintf("%s@d%d.test", local, k%s.Domains)
		}
		rcpts[i] = rcpt
	}
	return rcpts
}

// fail counts a message that did not get through, by code or cause.
func (s *Sender) fail(err error) {
	s.failed.Add(1)
	cause := err.Error()
	if r := (refused{}); errors.As(err, &r) {
		cause = fmt.Sprintf("%d %s", r.r.code, r.r.text)
	} else if errors.Is(err, io.EOF) {
		cause = "connection closed by the server"
	}
	if len(cause) > 120 {
		cause = cause[:120]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errors) >= 100 && s.errors[cause] == 0 {
		cause = "others"
	}
	s.errors[cause]++
}

// Summary is what came of a run.
type Summary struct {
	Acked, Failed int64
	RcptsRefused  int64 // recipients refused in messages that were accepted for others
	Elapsed       time.Duration
	Dot, Mail     Latency // from the end of the message, and from MAIL, to the final reply
	Errors        map[string]int
}

func (s *Sender) summary() Summary {
	sum := Summary{Acked: s.acked.Load(), Failed: s.failed.Load(), RcptsRefused: s.rcptsRefused.Load(),
		Elapsed: s.elapsed, Dot: s.dot.latency(), Mail: s.mail.latency(), Errors: map[string]int{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for cause, n := range s.errors {
		sum.Errors[cause] = n
	}
	return sum
}

// everySecond calls f once a second until done is closed.
func everySecond(done <-chan struct{}, f func()) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f()
		case <-done:
			return
		}
	}
}

// report gives one line to people who wait.
func (s *Sender) report() {
	if s.Progress == nil {
		return
	}
	s.Progress(fmt.Sprintf("%d of %d sent, %d failed, %.0f/s", s.acked.Load(), s.Messages, s.failed.Load(),
		float64(s.acked.Load())/time.Since(s.started).Seconds()))
}

// WriteTo writes the summary for people.
func (s Summary) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "messages     %d accepted, %d failed in %s\n", s.Acked, s.Failed, short(s.Elapsed))
	fmt.Fprintf(&b, "rate         %.1f msg/s\n", float64(s.Acked)/s.Elapsed.Seconds())
	fmt.Fprintf(&b, "dot to 250   %s\nMAIL to 250  %s\n", s.Dot, s.Mail)
	if s.RcptsRefused > 0 {
		fmt.Fprintf(&b, "recipients   %d refused in messages accepted for others\n", s.RcptsRefused)
	}
	causes := make([]string, 0, len(s.Errors))
	for cause := range s.Errors {
		causes = append(causes, cause)
	}
	slices.SortFunc(causes, func(a, b string) int { return s.Errors[b] - s.Errors[a] })
	for _, cause := range causes {
		fmt.Fprintf(&b, "error        %d × %s\n", s.Errors[cause], strings.ReplaceAll(cause, "\n", " / "))
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
