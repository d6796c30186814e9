package queue

import (
	"math/bits"
	"slices"
	"time"

	"mtad/spool"
)

// deferral is a recipient that an attempt deferred, and its last try before that.
type deferral struct {
	rcpt    int32
	lastTry int64
}

// apply takes in outcomes and returns which of them were deferrals.
func (c *Core) apply(m *message, outcomes []spool.Outcome) []deferral {
	again := c.again[:0]
	for i := range outcomes {
		o := &outcomes[i]
		r := m.rcpt(o.Rcpt)
		if o.ID != m.id || r == nil || r.state.Final() {
			continue
		}
		if o.State == spool.Pending {
			again = append(again, deferral{int32(o.Rcpt), r.lastTry})
		}
		r.attempts, r.lastTry = int32(o.Attempts), c.ns
		if r.firstFail = min(nanos(o.FirstFail), c.ns); r.firstFail == 0 && o.State == spool.Pending {
			r.firstFail = c.ns
		}
		c.setRecipient(m, r, o.State)
	}
	c.again = again
	return again
}

// setRecipient changes a recipient's state; final ones are counted off.
func (c *Core) setRecipient(m *message, r *recipient, to spool.State) {
	if !r.state.Final() && to.Final() {
		m.open--
		c.tally.recipients--
	}
	switch {
	case to == spool.Failed && r.state != spool.Failed:
		m.failed++
	case to != spool.Failed && r.state == spool.Failed:
		m.failed--
	}
	r.state = to
	c.listFailing(m)
}

// settled lets go of a message of which nothing remains.
func (c *Core) settled(m *message) {
	if m.open > 0 || c.messages[m.id] != m {
		return
	}
	m.items(func(it *item) {
		if it.state != active {
			c.move(it, over)
		}
	})
	c.restate(m)
	delete(c.messages, m.id)
	c.unsay(m.id)
	c.forgetFailures(m)
	c.arrivals.gone()
	if m.seq <= c.restored && m.received > c.startedAt-int64(time.Minute) {
		c.finishedEarly[m.id] = struct{}{}
	}
	c.emit(Completed{m.id, c.fromNow(m.received)})
}

// settle applies what a report decided about the message and finds a place for
// what it left open.
func (c *Core) settle(d *delivery, it *item, r *Report) {
	m := it.msg
	again := c.apply(m, r.Outcomes)
	defer c.settled(m)
	if m.doomed && !c.execute(it) {
		return
	}
	if m.more == nil {
		switch {
		case m.one.state != spool.Pending:
			c.move(it, over)
		case len(again) > 0:
			c.postpone(d, it, r, again)
		default:
			c.onward(d, it, r)
		}
		return
	}
	c.settleCrowd(d, it, r, again)
}

// settleCrowd tells the recipients of an item apart: decided, deferred, and not
// decided at all, which go on at once.
func (c *Core) settleCrowd(d *delivery, it *item, r *Report, again []deferral) {
	m := it.msg
	var waits, undecided []int32
	for _, i := range it.rcpts() {
		switch {
		case m.rcpt(int(i)).state != spool.Pending:
		case slices.ContainsFunc(again, func(a deferral) bool { return a.rcpt == i }):
			waits = append(waits, i)
		default:
			undecided = append(undecided, i)
		}
	}
	if len(waits)+len(undecided) == 0 {
		c.move(it, over)
		return
	}
	other := it
	if len(waits) > 0 && len(undecided) > 0 {
		other = m.newItem(nil)
		c.setLane(other, it.lane)
		other.router = it.router
		other.marks = it.marks & rerouted
	}
	if len(undecided) > 0 {
		m.more.sets[other.number] = undecided
		c.onward(d, other, r)
	}
	if len(waits) > 0 {
		m.more.sets[it.number] = waits
		c.postpone(d, it, r, again)
	}
}

// onward sends on what an attempt left undecided.
func (c *Core) onward(d *delivery, it *item, r *Report) {
	switch {
	case r.Again:
		c.resume(it)
	case r.Host == HostFailed || r.Host == HostBusy:
		if it.lane == d.lane {
			it.tried |= d.lane.bit(d.host)
		}
		c.placeFirst(it)
	default:
		c.pause(it)
	}
}

// bit is the host's in item.tried.
func (l *lane) bit(h *host) uint32 {
	for s, other := range l.hosts {
		if other == h {
			return 1 << s
		}
	}
	return 0
}

// resume puts an item whose attempt came to nothing back to its place, for a new
// connection at once.
func (c *Core) resume(it *item) {
	if it.msg.doomed && !c.execute(it) {
		return
	}
	it.fresh = true
	c.placeFirst(it)
}

// placeFirst puts an item back to its place in the lane; where that is the head, it
// goes before other lanes have their turn.
func (c *Core) placeFirst(it *item) {
	c.place(it, ready)
	l := it.lane
	if it.state != ready || l == nil || c.full() || c.head(l) != it {
		return
	}
	if h := c.pick(l, it); h != nil {
		c.start(l, it, h)
	}
}

// The pause after attempts that decided nothing, by no fault of the host's.
const (
	firstPause   = time.Minute
	longestPause = time.Hour
)

// pause lets an item go again once at once, then at growing intervals: what is wrong
// is on this side, and is not to become a loop.
func (c *Core) pause(it *item) {
	if it.strikes < 250 {
		it.strikes++
	}
	if it.strikes == 1 {
		c.resume(it)
		return
	}
	it.tried = 0
	it.due = c.ns + int64(min(firstPause<<min(it.strikes-2, 10), longestPause))
	c.place(it, deferred)
}

// soonest is the least time between two attempts, whatever the rules say.
const soonest = int64(time.Second)

// postpone gives an item that was deferred its due time. Recipients whose time is over
// have failed.
func (c *Core) postpone(d *delivery, it *item, r *Report, again []deferral) {
	m := it.msg
	var late []int32
	due := int64(0)
	for _, i := range it.rcpts() {
		before := int64(0)
		for _, a := range again {
			if a.rcpt == i {
				before = a.lastTry
			}
		}
		next, ok := c.rule(m, int(i), r.Kind, m.rcpt(int(i)).firstFail, before, c.ns)
		switch {
		case !ok:
			late = append(late, i)
		case due == 0 || next < due:
			due = next
		}
	}
	it.kind = c.kindNumber(r.Kind)
	if due != 0 && (r.Host == HostFailed || r.Host == HostBusy) && c.leftOver(d, it) {
		due = min(due, c.ns+int64(firstPause))
	}
	c.putOff(it, due, late, r.Error)
}

// leftOver reports whether hosts_max_try ended the attempt with hosts left to try:
// the item is not to wait for those that failed it, which all come back when it does.
func (c *Core) leftOver(d *delivery, it *item) bool {
	l, most := d.lane, d.host.limits.MaxTry
	if it.lane != l || most <= 0 || bits.OnesCount32(it.tried&^l.bit(d.host))+1 < most {
		return false
	}
	for _, s := range l.order {
		if h := l.hosts[s]; h != d.host && it.tried&(1<<s) == 0 && h.retryAt <= c.ns {
			return true
		}
	}
	return false
}

// putOff puts an item off to a due time and gives up those who are too late.
func (c *Core) putOff(it *item, due int64, late []int32, trouble string) {
	if len(late) > 0 {
		c.giveUp(it, late, it.routerName(), expired(trouble))
	}
	if due == 0 {
		return
	}
	it.tried, it.strikes, it.fresh = 0, 0, false
	it.due = max(due, c.ns+soonest)
	c.place(it, deferred)
}

// transportName is "" of an item that has no lane.
func (it *item) transportName() string {
	if it.lane == nil {
		return ""
	}
	return it.lane.transport
}

func (it *item) routerName() string {
	if it.lane == nil || int(it.router) >= len(it.lane.routers) {
		return ""
	}
	return it.lane.routers[it.router]
}

// deferFor defers an item by the core's own decision: it is recorded and logged.
func (c *Core) deferFor(it *item, kind, router, text string) {
	m := it.msg
	var late, kept []int32
	var outcomes []spool.Outcome
	due := int64(0)
	for _, i := range it.rcpts() {
		r := m.rcpt(int(i))
		before := r.lastTry
		r.attempts++
		r.lastTry = c.ns
		if r.firstFail == 0 {
			r.firstFail = c.ns
		}
		next, ok := c.rule(m, int(i), kind, r.firstFail, before, c.ns)
		if !ok {
			late = append(late, i)
			continue
		}
		if due == 0 || next < due {
			due = next
		}
		kept = append(kept, i)
		outcomes = append(outcomes, c.outcome(m, int(i), text))
	}
	if len(kept) > 0 {
		due = max(due, c.ns+soonest)
		c.emit(Record{spool.Batch{Outcomes: outcomes}})
		c.emit(Deferred{Message: m.id, Rcpts: ints(kept), Router: router, Transport: it.transportName(), Text: text, Next: c.fromNow(due)})
	}
	it.kind = c.kindNumber(kind)
	c.putOff(it, due, late, text)
}

// outcome is the record of a recipient as it stands.
func (c *Core) outcome(m *message, i int, text string) spool.Outcome {
	r := m.rcpt(i)
	first := time.Time{}
	if r.firstFail != 0 {
		first = c.fromNow(r.firstFail)
	}
	return spool.Outcome{
		ID: m.id, Rcpt: i, State: r.state, Attempts: int(r.attempts),
		FirstFail: first, At: c.wall, Error: text,
	}
}
