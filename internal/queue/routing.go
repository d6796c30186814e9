package queue

import (
	"slices"
	"time"

	"mtad/spool"
)

// askRoutes hands out what waits for routing, MaxRouting look-ups at a time: a queue
// of a million that starts does not start a million look-ups.
func (c *Core) askRoutes() {
	for c.mayAsk() && len(c.stale) > 0 {
		l := c.stale[0]
		c.stale = c.stale[1:]
		if it := c.head(l); it != nil {
			l.asker = it
			c.ask(it)
		} else {
			l.asking = false
		}
	}
	for c.mayAsk() {
		it := c.headUnrouted()
		if it == nil {
			return
		}
		c.ask(it)
	}
}

func (c *Core) mayAsk() bool { return c.asked-c.behind < c.set.MaxRouting }

// Behind takes in that a Route makes no look-up: it waits for one that another Route
// has begun. It is not among MaxRouting, so that many messages for one domain whose
// DNS is slow delay nobody else's routing.
func (c *Core) Behind(now time.Time, id spool.ID, rcpts []int) []Action {
	c.begin(now)
	if m := c.messages[id]; m != nil && len(rcpts) > 0 {
		m.items(func(it *item) {
			if it.state == asked && it.marks&follows == 0 && slices.Contains(it.rcpts(), int32(rcpts[0])) {
				it.marks |= follows
				c.behind++
			}
		})
	}
	return c.end()
}

func (c *Core) ask(it *item) {
	c.move(it, asked)
	c.emit(Route{Message: it.msg.id, Rcpts: ints(it.rcpts())})
}

// Routed takes in the answer to a Route. Recipients it does not name are asked
// for again later; a message that is gone is no harm.
func (c *Core) Routed(now time.Time, id spool.ID, dests []Destination, faults []RouteFault) []Action {
	c.begin(now)
	if m := c.messages[id]; m != nil {
		var waiting []*item
		m.items(func(it *item) {
			if it.state == asked {
				waiting = append(waiting, it)
			}
		})
		for _, it := range waiting {
			c.route(it, dests, faults)
		}
		c.settled(m)
	}
	return c.end()
}

// part is what an answer says about some recipients of an item.
type part struct {
	rcpts []int32
	dest  *Destination
	fault *RouteFault
}

// route places the recipients of an item where the answer says.
func (c *Core) route(it *item, dests []Destination, faults []RouteFault) {
	parts := split(it, dests, faults)
	if parts == nil {
		return // the answer to another question
	}
	m, marks := it.msg, it.marks&rerouted
	for n, p := range parts {
		if n > 0 {
			it = m.newItem(p.rcpts)
			it.marks = marks
		} else if m.more != nil {
			m.more.sets[it.number] = p.rcpts
		}
		c.follow(it, p)
	}
}

// noAnswer stands for recipients that the router forgot.
var noAnswer = RouteFault{Text: "routing gave no answer"}

func split(it *item, dests []Destination, faults []RouteFault) []part {
	left := slices.Clone(it.rcpts())
	var parts []part
	take := func(rcpts []int, p part) {
		for _, i := range rcpts {
			if n := slices.Index(left, int32(i)); n >= 0 {
				left = slices.Delete(left, n, n+1)
				p.rcpts = append(p.rcpts, int32(i))
			}
		}
		if len(p.rcpts) > 0 {
			parts = append(parts, p)
		}
	}
	for i := range dests {
		take(dests[i].Recipients, part{dest: &dests[i]})
	}
	for i := range faults {
		take(faults[i].Recipients, part{fault: &faults[i]})
	}
	if parts == nil && len(dests)+len(faults) > 0 {
		return nil
	}
	if len(left) > 0 {
		parts = append(parts, part{rcpts: left, fault: &noAnswer})
	}
	return parts
}

// follow carries out one part of an answer.
func (c *Core) follow(it *item, p part) {
	switch {
	case p.fault != nil && p.fault.Permanent:
		c.giveUp(it, slices.Clone(it.rcpts()), p.fault.Router, p.fault.Text)
	case p.fault != nil && it.lane != nil:
		// The old answer serves until a new one can be had.
		it.lane.confirmed = c.ns - it.lane.routeAge() + int64(5*time.Minute)
		c.place(it, ready)
	case p.fault != nil:
		c.deferFor(it, "dns", p.fault.Router, p.fault.Text)
	case len(p.dest.Hosts) == 0:
		c.setLane(it, nil)
		c.deferFor(it, "dns", p.dest.Router, "no hosts to send to")
	default:
		l := c.laneFor(p.dest)
		c.setLane(it, l)
		it.router = l.router(p.dest.Router)
		c.place(it, ready)
		c.tellBlocked(it)
	}
}

// comeDue makes a deferred item ready: in its lane, or to be routed anew where
// the lane's hosts are no longer to be believed.
func (c *Core) comeDue(it *item) {
	if l := it.lane; l != nil && c.outdated(l) {
		c.setLane(it, nil)
	}
	it.tried = 0
	c.place(it, ready)
}
