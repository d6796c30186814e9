package queue

import "time"

// Finished takes in how a job ended. Exactly one of Next, Wait and Hangup for its
// delivery is among the actions.
func (c *Core) Finished(now time.Time, r Report) []Action {
	c.begin(now)
	d := c.deliveries[r.Delivery]
	if d == nil || d.item == nil || d.item.msg.id != r.Message {
		c.stranger(d, r)
		return c.end()
	}
	it := d.item
	d.item = nil
	it.msg.lost = 0
	c.learn(d, it, &r)
	open := r.Open && !c.stopped(d.lane) && !r.Again && r.Host <= HostUntried && d.host.retryAt <= c.ns
	if !open {
		c.close(d) // first, so that what goes again can have its credit
	}
	c.settle(d, it, &r)
	if open {
		c.answer(d)
	} else {
		c.emit(Hangup{d.id})
	}
	return c.end()
}

// stranger answers a report of a job that is not known here. What it decided is
// on stable storage and holds all the same.
func (c *Core) stranger(d *delivery, r Report) {
	delete(c.inFlight, r.Delivery)
	if m := c.messages[r.Message]; m != nil {
		c.apply(m, r.Outcomes)
		m.items(c.dropDecided)
		c.settled(m)
	}
	if d == nil {
		c.emit(Hangup{r.Delivery})
		return
	}
	it := d.item
	d.item = nil
	c.hangup(d)
	if it != nil {
		c.resume(it)
	}
}

// learn takes in what the attempt taught of the host. A new connection that decides
// nothing twice running counts as a failure of its host.
func (c *Core) learn(d *delivery, it *item, r *Report) {
	if r.Again && d.jobs == 1 {
		it.strikes++
		if it.strikes > 1 {
			r.Again, r.Host, r.Kind = false, HostFailed, "lost_connection"
		}
	}
	switch {
	case r.Again:
	case r.Host == HostOK:
		d.lane.down = 0
		if !d.good {
			d.good = true
			d.host.good++
		}
		c.worked(d.host)
	case r.Host == HostFailed || r.Host == HostBusy:
		if d.good {
			d.good = false
			d.host.good--
		}
		c.failed(d.host, it, r.Host == HostBusy, r.Kind, r.Error)
	}
}

// answer finds the next job for an open connection, or ends it.
func (c *Core) answer(d *delivery) {
	l := d.lane
	it := c.head(l)
	switch {
	case c.mustYield(d):
		c.hangup(d)
	case it != nil && c.suits(d, it):
		c.emit(Next{c.assign(d, it)})
	case c.mayLinger(d, it) && !c.othersWait(d):
		c.wait(d)
	default:
		c.hangup(d)
	}
	if l.line.ready > 0 {
		c.offer(l)
	}
}

// mayLinger: a connection is kept for what may arrive, or for an item that the rate
// holds back.
func (c *Core) mayLinger(d *delivery, it *item) bool {
	if d.host.limits.Linger <= 0 || d.jobs >= d.host.limits.BatchMax {
		return false
	}
	return it == nil || c.chosen(d, it)
}

// Lost takes in that a delivery is dead. What it was last given goes again, at its
// place; a message lost twice running is frozen.
func (c *Core) Lost(now time.Time, id DeliveryID) []Action {
	c.begin(now)
	delete(c.inFlight, id)
	d := c.deliveries[id]
	if d == nil {
		return c.end()
	}
	it := d.item
	d.item = nil
	c.close(d)
	if it != nil {
		m := it.msg
		if m.lost++; m.lost > 1 && !m.doomed {
			c.freezeSick(m)
		}
		c.resume(it)
		c.settled(m)
	}
	return c.end()
}

// freezeSick sets a message aside whose deliveries die.
func (c *Core) freezeSick(m *message) {
	if !m.frozen {
		c.freeze(m)
		c.emit(Frozen{m.id, "frozen: two deliveries running ended in a crash; look at the panic log, then thaw or remove it"})
	}
}
