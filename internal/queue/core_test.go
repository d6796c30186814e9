package queue

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"mtad/spool"
)

// fixedRules: every deferral waits for every; an address has failed after limit.
type fixedRules struct{ every, limit time.Duration }

func (r fixedRules) Next(_, _, _ string, firstFail, _, now time.Time, _ int) (time.Time, bool) {
	if !firstFail.IsZero() && firstFail.Unix() != 0 && now.Sub(firstFail) > r.limit {
		return time.Time{}, false
	}
	return now.Add(r.every), true
}

var testStart = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func testID(n int) (id spool.ID) {
	copy(id[:], fmt.Sprintf("m%015d", n))
	return id
}

func testHost(n int) HostAddr {
	a := netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)})
	return HostAddr{Name: fmt.Sprintf("mx%d", n), Addr: netip.AddrPortFrom(a, 25)}
}

func envelope(id spool.ID, received time.Time, rcpts ...string) *spool.Envelope {
	env := &spool.Envelope{ID: id, Received: received, Sender: "sender@here"}
	for _, a := range rcpts {
		env.Recipients = append(env.Recipients, spool.Recipient{Address: a})
	}
	return env
}

func limits(conns, batch int, linger time.Duration, rate float64) func(string) Limits {
	return func(string) Limits {
		return Limits{MaxConnections: conns, BatchMax: batch, Linger: linger, MaxRate: rate}
	}
}

// TestRemovedWhileAsking: the item that asks for a lane's route is removed; the next
// one asks, and the lane goes on.
func TestRemovedWhileAsking(t *testing.T) {
	t.Parallel()
	b := newBench(t, Settings{Limits: limits(20, 500, 0, 0), Rules: fixedRules{2 * time.Hour, 96 * time.Hour}})
	b.dead = func(int) bool { return true }
	b.arrive(1)
	b.run(b.now.Add(time.Second))
	b.arrive(2)
	b.take(b.c.Remove(b.now, testID(0), nil, "tester"))
	if got := b.c.Tick(testStart.Add(3 * time.Hour)); len(got) != 1 || got[0].(Route).Message != testID(1) {
		t.Fatalf("want a route for message 1, got %v", got)
	}
	for _, a := range b.c.Remove(b.c.wall, testID(1), nil, "tester") {
		if r, ok := a.(Route); ok && r.Message == testID(2) {
			return
		}
	}
	t.Error("nobody asks for the lane any more")
}

// TestLateArrived: after a restart the report of a message that the start scan has
// seen, and that is delivered already, does not bring it back.
func TestLateArrived(t *testing.T) {
	t.Parallel()
	b := newBench(t, Settings{Limits: limits(20, 500, 0, 0)})
	b.c = New(b.c.set)
	env := envelope(testID(0), testStart, "u@x")
	b.c.Restore(testStart, env)
	b.take(b.c.Start(testStart))
	b.run(testStart.Add(time.Second))
	b.take(b.c.Arrived(b.now, env))
	if got := b.tries[0]; got != 1 {
		t.Errorf("delivered %d times", got)
	}
}
