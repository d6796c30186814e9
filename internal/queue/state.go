package queue

// place moves an item to ready or deferred, or holds it where its message is frozen.
func (c *Core) place(it *item, to state) {
	if it.msg.frozen {
		to = held
	}
	if to == ready && (it.marks&rerouted != 0 || it.lane != nil && it.lane.superseded) {
		it.marks &^= rerouted
		c.setLane(it, nil)
	}
	c.move(it, to)
	if to == ready && it.lane != nil {
		c.offer(it.lane)
	}
}

// move is the one place where an item changes state: it leaves the structure it was
// in, enters that of its new state, and the gauges follow.
func (c *Core) move(it *item, to state) {
	from, lane := it.state, it.lane
	switch from {
	case ready:
		c.leaveLine(it)
	case asked:
		c.asked--
		if it.marks&follows != 0 {
			it.marks &^= follows
			c.behind--
		}
	case deferred:
		c.deferred.remove(int(it.pos))
		it.due = 0
		it.marks &^= parked
	}
	it.state = to
	switch to {
	case ready:
		c.enterLine(it)
	case asked:
		c.asked++
	case deferred:
		c.deferred.push(it)
	case over:
		c.setLane(it, nil)
		if it.msg.more != nil {
			it.msg.more.sets[it.number] = nil
		}
	}
	if more := it.msg.more; more != nil {
		more.counts[from]--
		more.counts[to]++
	}
	c.restate(it.msg)
	if from == asked {
		c.stopAsking(lane, it)
	}
}

// stopAsking: the item that asked for its lane whether the route holds has its
// answer, or is gone.
func (c *Core) stopAsking(l *lane, it *item) {
	if l != nil && l.asker == it {
		l.asking, l.asker = false, nil
		c.offer(l)
	}
}

func (c *Core) enterLine(it *item) {
	l := it.lane
	if l == nil {
		c.unrouted.push(it, nil)
		return
	}
	l.line.push(it, l)
	if it.alone() {
		l.alone++
		if l.blocked {
			c.tally.behindHosts++
		}
	}
}

// leaveLine only counts: the entry itself is passed over when its turn comes.
func (c *Core) leaveLine(it *item) {
	l := it.lane
	if l == nil {
		c.unrouted.ready--
		return
	}
	l.line.ready--
	if it.alone() {
		l.alone--
		if l.blocked {
			c.tally.behindHosts--
		}
	}
}

// setLane gives an item that stands in no line to a lane (nil: to none).
func (c *Core) setLane(it *item, l *lane) {
	old := it.lane
	if old == l {
		return
	}
	it.lane, it.tried, it.router = l, 0, 0
	if l != nil {
		l.items++
	}
	if old != nil {
		old.items--
		if it.state == asked {
			c.stopAsking(old, it)
		}
		c.dropLane(old)
	}
}

// restate brings a message's gauge up to date: active > ready > deferred > frozen.
func (c *Core) restate(m *message) {
	to := m.gauge()
	c.tally.messages[m.state]--
	c.tally.messages[to]++
	m.state = to
	c.listFailing(m)
}

func (m *message) gauge() gauge {
	if m.open == 0 {
		return gone
	}
	if m.more == nil {
		return gaugeOf[m.item.state]
	}
	n := &m.more.counts
	switch {
	case n[active] > 0:
		return isActive
	case n[ready]+n[asked] > 0:
		return isReady
	case n[deferred] > 0:
		return isDeferred
	}
	return isFrozen
}

var gaugeOf = [...]gauge{over: isFrozen, ready: isReady, asked: isReady, active: isActive, deferred: isDeferred, held: isFrozen}
