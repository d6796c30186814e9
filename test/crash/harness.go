package crash

import (
	"context"
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
	Queued() (int, error) // messages not done with
}

// Plan is one run.
type Plan struct {
	Kills    int
	Messages int // at least; the load goes on until the last kill
	Seed     uint64
	Rate     float64 // messages a second
	Sessions int
	Size     func(n int) int // bytes of message n; nil mixes small with large
	MaxUp    time.Duration   // the relay lives for up to this long between kills
	Patience time.Duration   // for the queue to empty at the end
}

// Run carries out a plan against the relay that start makes for a next hop. If
// the queue does not empty, it returns what the ledgers say so far as well.
func Run(p Plan, start func(nextHop string) Relay) (*Verdict, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if p.Size == nil {
		p.Size = size
	}
	book := newBook()
	sink := &load.Sink{Record: book.recordGot, Hangup: book.recordHangup}
	go sink.Serve(l)
	defer sink.Close()
	relay := start(l.Addr().String())
	if err := relay.Start(); err != nil {
		return nil, err
	}
	defer relay.Kill()
	if err := p.underLoad(relay, book); err != nil {
		return nil, err
	}
	if err := quiesce(relay, book, p.Patience); err != nil {
		return book.judge(), err
	}
	relay.Kill()
	sink.Close()
	return book.judge(), nil
}

// underLoad sends until the kills are done and enough was sent.
func (p Plan) underLoad(relay Relay, book *book) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	killed := make(chan error, 1)
	go func() { killed <- p.kill(ctx, relay) }()
	const batch = 500
	for sent, done := 0, false; !done || sent < p.Messages; sent += batch {
		s := load.Sender{To: relay.Addr(), Sessions: p.Sessions, Messages: batch, SizeOf: p.Size, Rcpts: 1 + sent/batch%3,
			From: "sender@crash.test", Rcpt: "user%d@crash.test", Rate: p.Rate, Helo: "crash.test",
			Pipelining: sent/batch%2 == 0, BDAT: sent/batch%4 == 3, Wait: 30 * time.Second, Record: book.recordSent}
		s.Run(ctx)
		select {
		case err := <-killed:
			if err != nil {
				return err
			}
			done = true
		default:
		}
	}
	return nil
}

// size mixes small messages with some that go to files of their own.
func size(n int) int {
	switch {
	case n%97 == 0:
		return 600 << 10
	case n%7 == 0:
		return 64 << 10
	}
	return 1<<10 + n*37%(9<<10)
}

func (p Plan) kill(ctx context.Context, relay Relay) error {
	rnd := rand.New(rand.NewPCG(p.Seed, 0))
	for n := range p.Kills {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rnd.Int64N(int64(p.MaxUp)))):
		}
		if err := relay.Kill(); err != nil {
			return fmt.Errorf("before kill %d: %w", n+1, err)
		}
		if err := relay.Start(); err != nil {
			return fmt.Errorf("cannot restart after kill %d: %w", n+1, err)
		}
	}
	return nil
}

var errBusy = errors.New("the queue did not empty")

// quiesce waits until the queue is empty and the sink has heard nothing new.
func quiesce(relay Relay, book *book, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	last := -1
	for {
		queued, err := relay.Queued()
		now := book.received()
		if err == nil && queued == 0 && now == last {
			return nil
		}
		last = now
		if time.Now().After(deadline) {
			return fmt.Errorf("%w within %s: %d left (%v)", errBusy, patience, queued, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
