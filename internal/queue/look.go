package queue

import (
	"regexp"
	"slices"
	"time"

	"mtad/internal/selector"
	"mtad/spool"
)

// What an operator sees of the schedule. Long lists are read a slice at a time;
// between two slices the queue goes on.

// Scan calls f for up to max messages in order of arrival, from a cursor on (0: the
// first), and returns the cursor to go on from, 0 at the end.
func (c *Core) Scan(from uint64, max int, f func(selector.Glance)) (next uint64) {
	for _, m := range c.arrivals.from(from) {
		if max--; max < 0 {
			return m.seq
		}
		if m.open > 0 {
			f(c.glance(m))
		}
	}
	return 0
}

// Glance is Scan for one message; false where there is none.
func (c *Core) Glance(id spool.ID) (selector.Glance, bool) {
	m := c.messages[id]
	if m == nil {
		return selector.Glance{}, false
	}
	return c.glance(m), true
}

func (c *Core) glance(m *message) selector.Glance {
	return selector.Glance{ID: m.id, Seq: m.seq, Received: c.fromNow(m.received), State: c.stateName(m)}
}

// stateName counts a message of one recipient behind dead hosts as deferred, as Gauges do.
func (c *Core) stateName(m *message) string {
	it := &m.item
	if m.state == isReady && m.more == nil && it.state == ready && it.lane != nil && it.lane.blocked {
		return gaugeNames[isDeferred]
	}
	return gaugeNames[m.state]
}

// Bound is where some recipients of a message are to go.
type Bound struct {
	Rcpts []int
	selector.Place
}

// Places says where the recipients of a message are bound, as far as they are routed.
func (c *Core) Places(id spool.ID) []Bound {
	m := c.messages[id]
	if m == nil {
		return nil
	}
	var places []Bound
	m.items(func(it *item) {
		if it.lane != nil {
			places = append(places, Bound{ints(it.rcpts()), selector.Place{Router: it.routerName(), Hops: it.lane.hops()}})
		}
	})
	return places
}

// LaneState is what the schedule knows of one lane.
type LaneState struct {
	Lane        string
	Transport   string
	Hosts       []HostAddr
	Site        string // of its hosts, "": none
	Waiting     int    // messages, counted once for each of their lanes, in any state
	Ready       int    // of these, those whose turn may come now
	Connections int    // those that linger are counted too
	RetryAt     time.Time
	Error       string // of the host that failed last
	Rule        string // that decides about it
	Why         string // one line: what it waits for
}

// LaneKeys lists the lanes, in no order, for Lane.
func (c *Core) LaneKeys() []string {
	keys := make([]string, 0, len(c.lanes))
	for key := range c.lanes {
		keys = append(keys, key)
	}
	return keys
}

// Lane returns what is known of a lane; false where it is gone.
func (c *Core) Lane(key string) (LaneState, bool) {
	l := c.lanes[key]
	if l == nil {
		return LaneState{}, false
	}
	s := LaneState{Lane: key, Transport: l.transport, Waiting: l.items, Ready: l.line.ready, Connections: l.conns, Why: c.whyLane(l)}
	for _, i := range l.order {
		s.Hosts = append(s.Hosts, l.hosts[i].addr)
	}
	if site := l.site(); site != nil {
		s.Site = site.Name
	}
	if h := l.lastTried(); h != nil && h.trouble != "" {
		s.Error = h.trouble
		if it := l.line.peek(l); it != nil {
			s.Rule = c.ruleName(it, h.kind)
		}
	}
	if l.blocked {
		s.Ready, s.RetryAt = 0, c.fromNow(l.retryAt())
	}
	return s, true
}

func (c *Core) whyLane(l *lane) string {
	active := l.conns - len(l.idle)
	switch {
	case c.susp.all != nil:
		return c.susp.all.String()
	case l.stop != nil:
		return l.stop.String()
	case l.blocked:
		return "retry time not reached for any host"
	case active > 0 && l.line.ready > 0:
		return "being delivered; more wait for their turn"
	case active > 0:
		return "being delivered"
	case l.line.ready > 0:
		return c.whyNoRoom(l)
	case l.items > 0:
		return "retry time not reached for any message"
	}
	return "empty"
}

// RuleNamer is Rules that can say which rule decides.
type RuleNamer interface {
	Which(domain, address, kind string) string
}

// ruleName names the rule that decides about an item's first recipient.
func (c *Core) ruleName(it *item, kind string) string {
	namer, ok := c.set.Rules.(RuleNamer)
	if !ok || len(it.rcpts()) == 0 {
		return ""
	}
	address := c.set.Address(it.msg.id, int(it.rcpts()[0]))
	return namer.Which(domainOf(address), address, kind)
}

var anyCode = regexp.MustCompile(`_4[0-9][0-9]`)

// kindNumber is the short form of an error kind that items keep.
func (c *Core) kindNumber(kind string) uint8 {
	i := slices.Index(c.kinds, kind)
	if i < 0 && len(c.kinds) > 150 { // a host that goes through all codes does not take all numbers
		kind = anyCode.ReplaceAllString(kind, "_4xx")
		i = slices.Index(c.kinds, kind)
	}
	if i < 0 && len(c.kinds) < 255 {
		i = len(c.kinds)
		c.kinds = append(c.kinds, kind)
	}
	return uint8(max(i, 0))
}
