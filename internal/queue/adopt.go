package queue

import (
	"slices"

	"mtad/spool"
)

// adopt takes in a job of an earlier epoch that is still under way.
func (c *Core) adopt(j Job) {
	m := c.messages[j.Message]
	if m == nil {
		return // it ended before the scan of the spool
	}
	it := c.carve(m, j.Rcpts)
	if it == nil {
		return
	}
	l := c.lanes[j.Lane]
	if l == nil {
		l = c.laneFor(&Destination{Lane: j.Lane, Transport: j.Transport, Hosts: []HostAddr{j.Host}})
		l.confirmed = c.ns - 2*maxRouteAge // one host is not all of them: ask before more is sent
	}
	h := c.hostFor(j.Transport, j.Host)
	c.setLane(it, l)
	it.router = l.router(j.Router)
	d := c.open(j.Delivery, l, h)
	c.move(it, active)
	d.item, d.jobs = it, 1
}

// carve takes these recipients, where they are pending, out of the items they stand
// in, and returns an item of their own; nil where none is pending.
func (c *Core) carve(m *message, rcpts []int) *item {
	var mine []int32
	for _, i := range rcpts {
		if r := m.rcpt(i); r != nil && r.state == spool.Pending {
			mine = append(mine, int32(i))
		}
	}
	if len(mine) == 0 {
		return nil
	}
	if m.more == nil {
		c.move(&m.item, over)
		return &m.item
	}
	m.items(func(it *item) {
		if it.state == active {
			return
		}
		left := slices.DeleteFunc(slices.Clone(it.rcpts()), func(i int32) bool { return slices.Contains(mine, i) })
		if len(left) == 0 {
			c.move(it, over)
		} else {
			m.more.sets[it.number] = left
		}
	})
	return m.newItem(mine)
}
