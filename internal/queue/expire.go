package queue

import (
	"slices"
	"time"

	"mtad/spool"
)

// A lane behind hosts that are all down waits as a whole: its items have no due times
// of their own. So that they expire in the end, they are looked through now and
// then, a slice at a time.
const (
	sweepPause = time.Minute            // before the first look and between two, and more …
	sweepCost  = 500 * time.Microsecond // … for every item that waits there
	sweepSlice = 256
	sweepRest  = time.Millisecond // between slices
)

// alarmed looks at the next slice of a blocked lane.
func (l *lane) alarmed(c *Core) {
	if !l.blocked {
		return
	}
	end := min(l.swept+sweepSlice, l.line.len())
	var old []*item
	for i := l.swept; i < end; i++ {
		if it := l.line.at(i); stands(it, l) {
			old = append(old, it)
		}
	}
	l.swept = end
	again := c.ns + int64(sweepRest)
	if end == l.line.len() {
		l.swept = 0
		again = c.ns + int64(sweepPause) + int64(end)*int64(sweepCost)
	}
	l.nextSweep = again
	c.wakeAt(&l.alarm, again)
	for _, it := range old {
		if stands(it, l) { // an entry may be there twice
			c.tellBlocked(it)
			c.expire(it)
		}
	}
}

// expire gives up those recipients of an item whose time is over. One that was never
// tried has been failing since its lane has.
func (c *Core) expire(it *item) {
	m, h := it.msg, it.lane.lastTried()
	if h == nil {
		return
	}
	var late []int32
	for _, i := range it.rcpts() {
		r := m.rcpt(int(i))
		first, attempts := r.firstFail, max(r.attempts, int32(h.attempts))
		if first == 0 {
			first = max(m.received, it.lane.down)
		}
		if first > c.ns {
			continue
		}
		if !c.ruleFor(m, int(i), h, first, attempts) {
			r.firstFail = first
			late = append(late, i)
		}
	}
	if len(late) > 0 {
		c.giveUp(it, late, it.routerName(), expired(h.trouble))
		c.settled(m)
	}
}

// ruleFor reports whether the rules would let a recipient be tried again.
func (c *Core) ruleFor(m *message, i int, h *host, first int64, attempts int32) bool {
	address := c.set.Address(m.id, i)
	_, ok := c.set.Rules.Next(domainOf(address), address, h.kind,
		time.Unix(0, first), moment(h.lastFail), c.now(), int(attempts))
	return ok
}

// lastTried is the lane's host that failed last.
func (l *lane) lastTried() *host {
	var last *host
	for _, s := range l.order {
		if h := l.hosts[s]; last == nil || h.lastFail > last.lastFail {
			last = h
		}
	}
	return last
}

func expired(trouble string) string {
	if trouble == "" {
		return "retry timeout exceeded"
	}
	return trouble + ": retry timeout exceeded"
}

// giveUp fails recipients of an item for good; the message is kept until its
// sender is told. What remains of the item stays where it is.
func (c *Core) giveUp(it *item, rcpts []int32, router, text string) {
	m := it.msg
	outcomes := make([]spool.Outcome, 0, len(rcpts))
	for _, i := range rcpts {
		c.setRecipient(m, m.rcpt(int(i)), spool.Failed)
		outcomes = append(outcomes, c.outcome(m, int(i), text))
	}
	c.emit(Record{spool.Batch{Outcomes: outcomes}})
	for _, i := range rcpts {
		c.emit(GaveUp{Message: m.id, Rcpt: int(i), Router: router, Transport: it.transportName(), Text: text})
	}
	c.dropDecided(it)
}

// dropDecided leaves an item its pending recipients only.
func (c *Core) dropDecided(it *item) {
	m := it.msg
	if m.more == nil {
		if m.one.state != spool.Pending {
			c.move(it, over)
		}
		return
	}
	left := slices.DeleteFunc(slices.Clone(it.rcpts()), func(i int32) bool { return m.rcpt(int(i)).state != spool.Pending })
	if len(left) == 0 {
		c.move(it, over)
		return
	}
	m.more.sets[it.number] = left
}
