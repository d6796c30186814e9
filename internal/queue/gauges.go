package queue

import (
	"fmt"
	"maps"
	"time"

	"mtad/spool"
)

// gauge is how a message is counted.
type gauge uint8

const (
	gone gauge = iota
	isActive
	isReady
	isDeferred
	isFrozen
)

var gaugeNames = [...]string{isActive: "active", isReady: "ready", isDeferred: "deferred", isFrozen: "frozen"}

// tally is kept with every change, so that reading costs nothing.
type tally struct {
	messages    [isFrozen + 1]int
	recipients  int
	behindHosts int // of the ready ones, those that wait for a host's retry time
	connections map[string]int
}

// Gauges are the counts for metrics. A message of one recipient that waits for the
// retry time of its hosts is deferred.
func (c *Core) Gauges() Gauges {
	g := Gauges{
		Ready:       c.tally.messages[isReady] - c.tally.behindHosts,
		Active:      c.tally.messages[isActive],
		Deferred:    c.tally.messages[isDeferred] + c.tally.behindHosts,
		Frozen:      c.tally.messages[isFrozen],
		Recipients:  c.tally.recipients,
		Connections: maps.Clone(c.tally.connections),
		Lanes:       len(c.lanes),
		Hosts:       len(c.hosts),
		Suspensions: len(c.susp.list),
	}
	if m := c.arrivals.oldest(); m != nil {
		g.Oldest = moment(m.received)
	}
	return g
}

// Summary says what the schedule knows of one message; false: nothing.
func (c *Core) Summary(id spool.ID) (Summary, bool) {
	m := c.messages[id]
	if m == nil {
		return Summary{}, false
	}
	return c.summary(m), true
}

func (c *Core) summary(m *message) Summary {
	s := Summary{Message: m.id, State: gaugeNames[m.state]}
	var first *item
	m.items(func(it *item) {
		if first == nil || gaugeOf[it.state] < gaugeOf[first.state] ||
			it.state == deferred && first.state == deferred && it.due < first.due {
			first = it
		}
	})
	if first == nil {
		if s.Why = "failed; its sender is being told"; m.null {
			s.Why = "an undeliverable bounce"
		}
		return s
	}
	s.Why = c.why(first)
	if first.lane != nil {
		s.Hosts = first.lane.hostNames()
	}
	switch l := first.lane; {
	case first.state == deferred && first.marks&parked == 0:
		s.Due = c.fromNow(first.due)
		s.Rule = c.ruleName(first, c.kinds[first.kind])
	case first.state == ready && l != nil && l.blocked:
		s.Due = c.fromNow(l.retryAt())
		s.Rule = c.ruleName(first, l.lastTried().kind)
		if first.alone() {
			s.State = gaugeNames[isDeferred]
		}
	}
	return s
}

// why says in one line what an item waits for.
func (c *Core) why(it *item) string {
	l := it.lane
	if x := c.suspensionOf(it); x != nil && it.state != held {
		return x.String()
	}
	switch {
	case it.state == active:
		return "being delivered to " + l.hostNames()
	case it.state == held:
		return "frozen"
	case it.state == deferred:
		return "retry time not reached"
	case it.state == asked:
		return "being routed"
	case l == nil:
		return "waits to be routed"
	case l.blocked:
		return fmt.Sprintf("retry time not reached for any host: %s", l.lastTried().trouble)
	}
	return c.whyNoRoom(l)
}

// whyNoRoom says what a lane with work waits for.
func (c *Core) whyNoRoom(l *lane) string {
	s := l.site()
	if s.full() {
		return fmt.Sprintf("waits for one of the %d connections to site %s", s.MaxConnections, s.Name)
	} else if s != nil && !s.token(c.ns) {
		return fmt.Sprintf("waits for the rate of site %s", s.Name)
	}
	return "waits for a connection to " + l.hostNames()
}

// site is that of the first host that has one.
func (l *lane) site() *site {
	for _, s := range l.order {
		if h := l.hosts[s]; h.site != nil {
			return h.site
		}
	}
	return nil
}

func (l *lane) hostNames() string {
	if len(l.order) == 0 {
		return l.key
	}
	a := l.hosts[l.order[0]].addr
	if len(l.order) == 1 {
		return fmt.Sprintf("%s [%s]", a.Name, a.Addr.Addr())
	}
	return fmt.Sprintf("%s [%s] or %d others", a.Name, a.Addr.Addr(), len(l.order)-1)
}

// HostState is what the schedule knows of one address of one next hop.
type HostState struct {
	Host        HostAddr
	Transport   string
	Connections int
	Window      int       // connections it may have now
	Site        string    // "": none
	RetryAt     time.Time // zero: now
	Trouble     string    // why it waits
}

// HostStates lists the hosts that are known, in no order.
func (c *Core) HostStates() []HostState {
	states := make([]HostState, 0, len(c.hosts))
	for _, h := range c.hosts {
		s := HostState{Host: h.addr, Transport: h.key.transport, Connections: h.conns, Window: h.allowed(), Trouble: h.trouble, Site: h.siteName()}
		if h.retryAt > c.ns {
			s.RetryAt = c.fromNow(h.retryAt)
		}
		states = append(states, s)
	}
	return states
}
