package queue

import (
	"math/bits"
	"slices"
)

// delivery is one connection: with a job, or lingering. It holds a credit of
// remote_max_parallel and a place in its host's window.
type delivery struct {
	id     DeliveryID
	lane   *lane
	host   *host
	item   *item // nil: it lingers
	jobs   int   // given to it so far
	opened int64
	good   bool // it has worked once
	idleAt int  // in Core.idle
	alarm  alarm
}

// start opens a delivery.
func (c *Core) start(l *lane, it *item, h *host) {
	h.limits = c.set.Limits(l.transport)
	h.bucket.rate = h.limits.MaxRate
	c.lastDelivery++
	d := c.open(c.lastDelivery, l, h)
	c.emit(StartDelivery{c.assign(d, it)})
}

func (c *Core) open(id DeliveryID, l *lane, h *host) *delivery {
	d := &delivery{id: id, lane: l, host: h, opened: c.ns, idleAt: -1}
	d.alarm.owner = d
	c.deliveries[id] = d
	l.conns++
	h.conns++
	if h.site != nil {
		h.site.conns++
	}
	c.tally.connections[l.transport]++
	return d
}

// next gives another job to a connection that asked for one, or lingers.
func (c *Core) next(d *delivery, it *item) {
	c.leaveIdle(d)
	c.emit(Next{c.assign(d, it)})
}

// assign makes the item the delivery's.
func (c *Core) assign(d *delivery, it *item) Job {
	c.move(it, active)
	it.fresh = false
	it.marks &^= told
	d.item = it
	d.jobs++
	c.spend(d.host)
	return Job{
		Delivery: d.id, Epoch: c.set.Epoch, Message: it.msg.id,
		Router: d.lane.routers[it.router], Transport: d.lane.transport, Lane: d.lane.key, Host: d.host.addr,
		Rcpts: ints(it.rcpts()), LastHost: c.lastHost(d, it),
	}
}

// lastHost reports whether no other host is left for the item: each has failed it
// in this round or has a retry time to come; or as many have as may be tried.
func (c *Core) lastHost(d *delivery, it *item) bool {
	if most := d.host.limits.MaxTry; most > 0 && bits.OnesCount32(it.tried&^d.lane.bit(d.host))+1 >= most {
		return true
	}
	for _, s := range d.lane.order {
		h := d.lane.hosts[s]
		if h != d.host && it.tried&(1<<s) == 0 && h.retryAt <= c.ns {
			return false
		}
	}
	return true
}

// wait keeps a connection for connection_linger.
func (c *Core) wait(d *delivery) {
	d.idleAt = len(c.idle)
	c.idle = append(c.idle, d)
	d.lane.idle = append(d.lane.idle, d)
	d.host.idle = append(d.host.idle, d)
	if s := d.host.site; s != nil {
		s.idle = append(s.idle, d)
	}
	c.wakeAt(&d.alarm, c.ns+int64(d.host.limits.Linger))
	c.emit(Wait{d.id})
	c.wakeHost(d.host) // another lane may want its place
}

// alarmed ends a linger, after one more look at the lane.
func (d *delivery) alarmed(c *Core) {
	if it := c.head(d.lane); it != nil && c.suits(d, it) {
		c.next(d, it)
		return
	}
	c.hangup(d)
}

func (c *Core) leaveIdle(d *delivery) {
	if d.idleAt < 0 {
		return
	}
	last := c.idle[len(c.idle)-1]
	c.idle[d.idleAt], last.idleAt = last, d.idleAt
	c.idle[len(c.idle)-1] = nil
	c.idle = c.idle[:len(c.idle)-1]
	d.idleAt = -1
	d.lane.idle = without(d.lane.idle, d)
	d.host.idle = without(d.host.idle, d)
	if s := d.host.site; s != nil {
		s.idle = without(s.idle, d)
	}
	c.wakeAt(&d.alarm, 0)
}

func without(list []*delivery, d *delivery) []*delivery {
	i := slices.Index(list, d)
	return slices.Delete(list, i, i+1)
}

// hangup ends a connection that has no job.
func (c *Core) hangup(d *delivery) {
	c.close(d)
	c.emit(Hangup{d.id})
}

// close gives the credit and the place in the window back.
func (c *Core) close(d *delivery) {
	c.leaveIdle(d)
	delete(c.deliveries, d.id)
	l, h := d.lane, d.host
	l.conns--
	h.conns--
	if d.good {
		h.good--
	}
	c.tally.connections[l.transport]--
	if h.site != nil {
		c.leaveSite(h)
	} else {
		c.wakeHost(h)
	}
	if l.line.ready > 0 {
		c.offer(l) // behind those who waited
	}
	c.dropLane(l)
	c.retire(h)
}

var firstRcpt = []int{0}

// ints is the list as jobs and routes bear it; the receiver must not change it.
func ints(list []int32) []int {
	if len(list) == 1 && list[0] == 0 {
		return firstRcpt
	}
	out := make([]int, len(list))
	for i, x := range list {
		out[i] = int(x)
	}
	return out
}
