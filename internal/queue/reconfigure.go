package queue

import (
	"maps"
	"slices"
	"time"
)

// A lane belongs to the configuration under which it was made: transport, hosts and what
// they ask for stand in its key. Behind Reconfigure it is superseded: its connections end
// with the message they have, nothing of it is begun, and its messages are routed anew,
// those that are ready at once, the others when their turn comes.

// Reconfigure takes over other settings, all but the epoch. What a delivery has runs to
// its end; a retry time that is set stays. Whoever answers Route from now on has to do so
// by the same configuration as these settings.
func (c *Core) Reconfigure(now time.Time, set Settings) []Action {
	c.begin(now)
	set.Epoch = c.set.Epoch
	set.setDefaults()
	c.set = set
	for c.ring.len() > 0 {
		c.leaveRing()
	}
	before := c.lanes
	c.lanes = make(map[string]*lane)
	for _, h := range c.hosts {
		h.limits = set.Limits(h.key.transport)
		h.window = min(h.window, h.max())
		h.bucket.limit(h.limits.MaxRate)
	}
	c.resite()
	for _, key := range slices.Sorted(maps.Keys(before)) {
		c.supersede(before[key])
	}
	c.moving.alarmed(c)
	return c.end()
}

func (c *Core) supersede(l *lane) {
	l.superseded = true
	l.waits = 0
	c.unblock(l)
	if l.line.ready > 0 {
		c.moving.from = append(c.moving.from, l)
	}
	for len(l.idle) > 0 {
		c.hangup(l.idle[0])
	}
}

// moving is the superseded lanes whose ready items are to be routed anew, a slice at a
// time: there may be a million behind a host that is down.
type moving struct {
	from  []*lane
	alarm alarm
}

const (
	moveSlice = 1000
	moveRest  = time.Millisecond
)

func (w *moving) alarmed(c *Core) {
	for n := 0; len(w.from) > 0; n++ {
		l := w.from[0]
		it := l.line.peek(l)
		if it == nil {
			w.from = w.from[1:]
			continue
		}
		if n >= moveSlice {
			w.alarm.owner = w
			c.wakeAt(&w.alarm, c.ns+int64(moveRest))
			return
		}
		it.marks &^= told
		c.move(it, held) // out of its line
		c.place(it, ready)
	}
}
