package queue

import (
	"fmt"
	"net/netip"
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
	env := &spool.Envelope{ID: id, Received: received}
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
