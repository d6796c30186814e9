package queue

import (
	"math/bits"
	"slices"
)

// offer says that a lane has something ready: connections that linger get it,
// else the lane stands in the ring for one.
func (c *Core) offer(l *lane) {
	if c.stopped(l) {
		return
	}
	c.feedIdle(l)
	if l.line.ready > 0 && !l.blocked {
		c.enterRing(l)
	}
}

func (c *Core) feedIdle(l *lane) {
	for len(l.idle) > 0 {
		it := c.head(l)
		if it == nil {
			return
		}
		i := slices.IndexFunc(l.idle, func(d *delivery) bool { return c.suits(d, it) })
		if i < 0 {
			return
		}
		c.next(l.idle[i], it)
	}
}

// suits reports whether the item may go on this connection now.
func (c *Core) suits(d *delivery, it *item) bool {
	return c.chosen(d, it) && d.host.token(c.ns) && d.host.site.token(c.ns)
}

// chosen reports whether the item may ride on this connection: it has not carried
// batch_max messages, and its host would be the item's choice too.
func (c *Core) chosen(d *delivery, it *item) bool {
	if it.fresh || d.jobs >= max(d.host.limits.BatchMax, 1) {
		return false
	}
	for _, s := range d.lane.order {
		switch h := d.lane.hosts[s]; {
		case it.tried&(1<<s) != 0:
		case h == d.host:
			return h.retryAt <= c.ns
		case h.room(c.ns):
			return false
		}
	}
	return false
}

// pick chooses the host for a new connection: the first of the lane's that may be
// tried now. With max_connections = 1 a lane has one connection over all its
// hosts: that is what keeps its order.
func (c *Core) pick(l *lane, it *item) *host {
	if l.taken() || l.spent(it) {
		return nil
	}
	for _, s := range l.order {
		if h := l.hosts[s]; it.tried&(1<<s) == 0 && h.room(c.ns) {
			return h
		}
	}
	return nil
}

// taken reports whether the lane has the one connection it may have.
func (l *lane) taken() bool {
	return l.conns > 0 && len(l.order) > 0 && l.hosts[l.order[0]].max() == 1
}

// spent reports whether as many hosts have failed the item as may be tried in one
// attempt.
func (l *lane) spent(it *item) bool {
	if it.tried == 0 || len(l.order) == 0 {
		return false
	}
	most := l.hosts[l.order[0]].limits.MaxTry
	return most > 0 && bits.OnesCount32(it.tried) >= most
}

// dispatch gives what is free to who waits: routing first, then connections, a
// lane in turn.
func (c *Core) dispatch() {
	if c.halted() {
		return
	}
	c.askRoutes()
	for c.ring.len() > 0 {
		if c.full() && !c.reclaim() && c.full() {
			return
		}
		if c.ring.len() == 0 {
			return
		}
		l := c.leaveRing()
		if c.serve(l) {
			c.enterRing(l)
		}
		c.passOn(l)
	}
}

func (c *Core) full() bool { return len(c.deliveries) >= c.set.RemoteMaxParallel }

// reclaim hangs up a connection that lingers where a lane could use its credit.
func (c *Core) reclaim() bool {
	if !c.creditWanted(nil) || len(c.idle) == 0 {
		return false
	}
	c.hangup(c.idle[0])
	return true
}

// creditWanted reports whether a lane other than l could start a delivery if there
// were a credit. Lanes that could not leave the ring.
func (c *Core) creditWanted(l *lane) bool {
	for n := c.ring.len(); n > 0; n-- {
		first := c.ring.first()
		it := c.head(first)
		if it == nil {
			c.leaveRing()
			continue
		}
		if c.pick(first, it) == nil {
			if c.serve(c.leaveRing()) {
				c.enterRing(first)
			}
			continue
		}
		if first != l {
			return true
		}
		c.enterRing(c.leaveRing())
	}
	return false
}

// serve starts one delivery for the lane and reports whether it wants another.
func (c *Core) serve(l *lane) bool {
	c.feedIdle(l)
	it := c.head(l)
	if it == nil || l.asking {
		return false
	}
	if c.ns-l.confirmed > l.routeAge() {
		l.asking = true
		c.stale = append(c.stale, l)
		c.askRoutes()
		return false
	}
	h := c.pick(l, it)
	if h == nil {
		return c.noRoom(l, it)
	}
	if !c.full() {
		c.start(l, it, h)
	}
	return l.line.ready > 0
}

// noRoom decides what becomes of a lane whose first item finds no host, and
// reports whether it is worth another look at once.
func (c *Core) noRoom(l *lane, it *item) bool {
	if l.taken() {
		if len(l.idle) > 0 {
			c.hangup(l.idle[0])
			return true
		}
		return false // the end of its connection brings it back
	}
	if l.spent(it) {
		c.roundOver(l, it)
		return l.line.ready > 0
	}
	anyLeft, anyAlive := false, false
	for _, s := range l.order {
		h := l.hosts[s]
		alive := h.retryAt <= c.ns
		anyAlive = anyAlive || alive
		if it.tried&(1<<s) != 0 || !alive {
			continue
		}
		anyLeft = true
		if d := c.inTheWay(h); d != nil {
			c.hangup(d)
			return true
		}
	}
	if it.tried != 0 && !anyLeft {
		c.roundOver(l, it)
		return l.line.ready > 0
	}
	c.park(l, it)
	if !anyAlive {
		c.block(l)
		c.tellBlocked(it)
	}
	return false
}

// inTheWay returns a lingering connection whose place a new one to the host could
// have; nil where it is not for want of a place that there is no room.
func (c *Core) inTheWay(h *host) *delivery {
	full, siteFull := h.conns >= h.allowed(), h.site.full()
	switch {
	case !h.token(c.ns) || !h.site.token(c.ns):
		return nil
	case (full || siteFull) && len(h.idle) > 0:
		return h.idle[0]
	case siteFull && !full && len(h.site.idle) > 0:
		return h.site.idle[0]
	}
	return nil
}

// roundOver defers an item all of whose hosts have failed it, or are known to.
func (c *Core) roundOver(l *lane, it *item) {
	h := l.hosts[l.order[len(l.order)-1]]
	for _, s := range l.order {
		if it.tried&(1<<s) != 0 {
			h = l.hosts[s] // the last that was tried
		}
	}
	text := h.trouble
	if text == "" {
		text = "no host could be reached"
	}
	c.deferFor(it, h.kind, l.routers[it.router], text)
}

// park makes the lane wait for room at the hosts that its first item has left.
func (c *Core) park(l *lane, it *item) {
	for _, s := range l.order {
		if it.tried&(1<<s) != 0 {
			continue
		}
		h := l.hosts[s]
		if l.waits&(1<<s) == 0 {
			l.waits |= 1 << s
			h.waiters = append(h.waiters, l)
		}
		c.setHostAlarm(h)
		if h.site != nil && h.retryAt <= c.ns {
			c.joinSite(h)
			c.setSiteAlarm(h.site)
		}
	}
}

// passOn wakes the next who waits at a host, or a site, where the lane that was woken
// left room.
func (c *Core) passOn(l *lane) {
	for _, s := range l.order {
		h := l.hosts[s]
		if len(h.waiters) > 0 && h.room(c.ns) {
			c.wakeHost(h)
		} else if h.site != nil && len(h.site.waiters) > 0 && h.site.room(c.ns) {
			c.wakeSite(h.site)
		}
	}
}

// mustYield reports whether a connection has carried its share while others wait for
// its credit, or for its place at the host.
func (c *Core) mustYield(d *delivery) bool {
	if d.jobs < c.set.Share && c.ns-d.opened < int64(c.set.ShareTime) {
		return false
	}
	return c.othersWait(d)
}

func (c *Core) othersWait(d *delivery) bool {
	h := d.host
	return h.conns >= h.allowed() && h.wantedBeside(d.lane) || h.site.full() && h.site.wantedBeside(d.lane, c.ns) ||
		c.full() && c.creditWanted(d.lane)
}

// wantedBeside reports whether another lane waits for room at the host. It looks at the
// first few only: the rest is behind them.
func (h *host) wantedBeside(l *lane) bool {
	for _, w := range h.waiters[:min(len(h.waiters), 8)] {
		if w != l && w.line.ready > 0 && w.waits != 0 {
			return true
		}
	}
	return false
}
