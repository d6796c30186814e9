package crash

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"mtad/internal/load"
)

// Relay is what is killed.
type Relay interface {
	Start() error // and wait until it listens; a restart finds what the last one left
	Kill() error  // at once; an error if it had ended already
	Addr() string
	Queued() (int, error)                          // messages not done with
	Counts() (messages, recipients int, err error) // taken in and passed on since the start
	Left() ([]string, error)                       // files of messages that have a file each
	State() string                                 // for people, when it does not do what was waited for
}

// Plan is one run.
type Plan struct {
	Kills    int
	Look     int // at the ledgers after so many kills; the first verdict that is not clean ends the run
	Messages int // at least; the load goes on until the last kill
	Seed     uint64
	Rate     float64 // messages a second
	Sessions int
	Size     func(n int) int        // bytes of message n; nil mixes small with large
	Refuse   func(rcpt string) bool // whom the sink refuses for good; nil: nobody
	MaxUp    time.Duration          // the relay lives for up to this long between kills
	Grace    time.Duration          // what is missing though the queue is empty may take so long to come
	Limit    time.Duration          // for all of it
	TLS      *tls.Config            // of the next hop; nil: it offers none
	Aim      time.Duration          // up to this long after a hand-over has begun a kill strikes; 0: at any time
}

// run is a plan being carried out.
type run struct {
	Plan
	relay  Relay
	sink   *load.Sink
	book   *book
	rnd    *rand.Rand
	struck int      // kills so far
	wrong  []string // CONSERVATION
	left   []string // ORPHAN
}

// Run carries out a plan against the relay that start makes for a next hop. An
// error says that the relay ended by itself or that the time was up, what was
// being waited for, and how the relay was; the verdict then is of what is known,
// and what was not delivered is not called lost.
func Run(p Plan, start func(nextHop string) Relay) (*Verdict, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &run{Plan: p, book: newBook(), rnd: rand.New(rand.NewPCG(p.Seed, 0))}
	if r.Size == nil {
		r.Size = size
	}
	r.book.refuse = p.Refuse
	r.sink = &load.Sink{TLS: p.TLS, Record: r.book.recordGot, Hangup: r.book.recordHangup, Reports: true, Refuse: func(rcpt string) int {
		if r.book.refused(rcpt) {
			return 550
		}
		return 0
	}}
	go r.sink.Serve(l)
	defer r.sink.Close()
	r.relay = start(l.Addr().String())
	if err := r.relay.Start(); err != nil {
		return nil, err
	}
	defer r.relay.Kill()
	ctx, cancel := context.WithTimeoutCause(context.Background(), p.Limit, fmt.Errorf("%w: %s", errTime, p.Limit))
	defer cancel()
	for {
		if err := r.round(ctx); err != nil {
			return r.verdict(false), fmt.Errorf("after %d kills: %w\n%s", r.struck, err, r.relay.State())
		}
		if v := r.verdict(true); !v.Clean() || r.struck >= p.Kills {
			return v, nil
		}
	}
}

var errTime = errors.New("time is up")

// round is some kills under load, then a rest in which the books must balance.
func (r *run) round(ctx context.Context) error {
	if err := r.underLoad(ctx, min(r.Look, r.Kills-r.struck)); err != nil {
		return fmt.Errorf("under load: %w", err)
	}
	if err := r.settle(ctx); err != nil || !r.verdict(true).Clean() {
		return err
	}
	return r.balance(ctx)
}

func (r *run) verdict(settled bool) *Verdict {
	v := r.book.judge(settled)
	v.Kills, v.Unbalanced, v.Orphans = r.struck, r.wrong, r.left
	return v
}

// underLoad sends until the kills are done and this round's share was sent.
func (r *run) underLoad(ctx context.Context, kills int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	struck := make(chan struct{})
	go func() {
		defer close(struck)
		if err := r.strike(ctx, kills); err != nil {
			cancel(err)
		}
	}()
	const batch = 250
	for sent := 0; ctx.Err() == nil; sent += batch {
		if done := closed(struck); done && sent*r.Kills >= r.Messages*kills {
			break
		}
		r.send(ctx, batch, sent/batch)
	}
	<-struck
	return context.Cause(ctx)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// send sends a batch, each in another manner. It is left behind when ctx ends:
// a relay that hangs keeps it for as long as it lives.
func (r *run) send(ctx context.Context, messages, manner int) {
	s := load.Sender{To: r.relay.Addr(), Sessions: r.Sessions, Messages: messages, SizeOf: r.Size, Rcpts: 1 + manner%3,
		From: "sender@crash.test", Rcpt: "user%d@crash.test", Rate: r.Rate, Helo: "crash.test",
		Pipelining: manner%2 == 0, BDAT: manner%4 == 3, Wait: 10 * time.Second, Record: r.book.recordSent}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// size mixes small messages with some that go to files of their own.
func size(n int) int {
	switch {
	case n%389 == 0:
		return 2500 << 10
	case n%97 == 0:
		return 600 << 10
	case n%7 == 0:
		return 64 << 10
	}
	return 1<<10 + n*37%(9<<10)
}

func (r *run) strike(ctx context.Context, kills int) error {
	for range kills {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(r.rnd.Int64N(int64(r.MaxUp)))):
		}
		if err := r.aim(ctx); err != nil {
			return err
		}
		if err := r.relay.Kill(); err != nil {
			return err
		}
		r.struck++
		if err := r.relay.Start(); err != nil {
			return fmt.Errorf("cannot restart: %w", err)
		}
	}
	return nil
}

// aim waits for the beginning of a hand-over, and then for as long as chance will.
func (r *run) aim(ctx context.Context) error {
	if r.Aim == 0 {
		return nil
	}
	for before := r.sink.Totals().Shutdowns; r.sink.Totals().Shutdowns == before; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Microsecond):
		}
	}
	time.Sleep(time.Duration(r.rnd.Int64N(int64(r.Aim))))
	return nil
}
