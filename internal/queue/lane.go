package queue

import (
	"slices"
	"time"
)

// lane is an order of messages that may share connections. It lives while items
// or connections belong to it.
type lane struct {
	key       string
	transport string
	routers   []string // that led here; items name theirs by index
	hosts     []*host  // by slot: a host keeps its slot while the lane lives
	order     []uint8  // slots in the order to try
	confirmed int64    // when routing last named these hosts
	dns       bool     // they were looked up: another answer may come of asking again

	line  line
	items int // items whose lane this is, in any state
	alone int // ready ones of messages that have no other item

	conns int         // deliveries, lingering ones included
	idle  []*delivery // those that linger

	superseded bool // made under an earlier configuration

	inRing    bool
	asking    bool        // whether the route still holds is to be asked before more is sent
	asker     *item       // the item that does
	waits     uint32      // slots of hosts in whose list of waiters it stands
	blocked   bool        // all hosts have a retry time to come
	down      int64       // since when no host answered; 0: one did
	swept     int         // how far the search for expired items has come
	alarm     alarm       // while blocked: the next part of that search
	stop      *suspension // of its site
	nextSweep int64       // when it is due; 0: no host of the lane has failed yet
}

// maxSlots bounds the hosts of a lane: item.tried has a bit for each.
const maxSlots = 32

// maxRouteAge is how long a lane with work believes its hosts; then its first
// item asks again, so that mail for a host that is gone follows its MX.
const maxRouteAge = int64(time.Hour)

// maxDNSAge is the same for hosts that were looked up. The DNS is not asked so
// often: routing knows how long its answers hold.
const maxDNSAge = int64(5 * time.Minute)

// fresh is how old hosts may be by which an item that was deferred is tried
// again: those that were looked up are looked up anew, as often as routing
// remembers what it decided.
const fresh = int64(30 * time.Second)

// routeAge is how long the lane believes its hosts while it works.
func (l *lane) routeAge() int64 {
	if l.dns {
		return maxDNSAge
	}
	return maxRouteAge
}

// outdated reports whether a deferred item of the lane is to be routed anew.
func (c *Core) outdated(l *lane) bool {
	age := c.ns - l.confirmed
	return age > maxRouteAge || l.dns && age > fresh
}

// laneFor finds or makes the lane of a destination and takes in its hosts.
func (c *Core) laneFor(d *Destination) *lane {
	l := c.lanes[d.Lane]
	if l == nil {
		l = &lane{key: d.Lane, transport: d.Transport}
		l.alarm.owner = l
		c.lanes[d.Lane] = l
	}
	l.confirmed, l.dns = c.ns, d.DNS
	c.setHosts(l, d.Hosts)
	return l
}

// setHosts brings the lane's hosts up to date. Hosts that only changed places keep
// their old order while connections are open: a shuffle is a choice for a new one.
func (c *Core) setHosts(l *lane, addrs []HostAddr) {
	if l.sameOrder(addrs) || len(addrs) == 0 {
		return
	}
	if l.conns > 0 && l.sameSet(addrs) {
		return
	}
	l.order = l.order[:0]
	for _, a := range addrs {
		if s, ok := c.slot(l, a, addrs); ok && !slices.Contains(l.order, s) {
			l.order = append(l.order, s)
		}
	}
	c.unblock(l)
	c.judgeLane(l)
	if l.line.ready > 0 {
		c.enterRing(l)
	}
}

func (l *lane) sameOrder(addrs []HostAddr) bool {
	return slices.EqualFunc(l.order, addrs, func(s uint8, a HostAddr) bool { return l.hosts[s].addr == a })
}

func (l *lane) sameSet(addrs []HostAddr) bool {
	if len(addrs) != len(l.order) {
		return false
	}
	for _, a := range addrs {
		if !slices.ContainsFunc(l.order, func(s uint8) bool { return l.hosts[s].addr == a }) {
			return false
		}
	}
	return true
}

// slot returns the place of a host in the lane; a new one takes the place of one
// that is no longer wanted where all are taken.
func (c *Core) slot(l *lane, a HostAddr, wanted []HostAddr) (uint8, bool) {
	for s, h := range l.hosts {
		if h.addr == a {
			return uint8(s), true
		}
	}
	h := c.hostFor(l.transport, a)
	if len(l.hosts) < maxSlots {
		h.lanes++
		l.hosts = append(l.hosts, h)
		return uint8(len(l.hosts) - 1), true
	}
	for s, old := range l.hosts {
		if !slices.Contains(wanted, old.addr) {
			old.lanes--
			c.retire(old)
			h.lanes++
			l.hosts[s] = h
			l.waits &^= 1 << s
			return uint8(s), true
		}
	}
	return 0, false // beyond the first 32 hosts none is tried
}

// router returns the number by which items of the lane name a router.
func (l *lane) router(name string) uint8 {
	i := slices.Index(l.routers, name)
	if i < 0 {
		i = len(l.routers)
		l.routers = append(l.routers, name)
	}
	return uint8(i)
}

// dropLane forgets a lane to which nothing belongs.
func (c *Core) dropLane(l *lane) {
	if l.items > 0 || l.conns > 0 {
		return
	}
	c.unblock(l)
	for _, h := range l.hosts {
		h.lanes--
		c.retire(h)
	}
	l.hosts, l.order = nil, nil
	if !l.superseded { // another may have its key now
		delete(c.lanes, l.key)
	}
}

// block notes that every host of the lane has a retry time to come; what waits
// there costs nothing until then.
func (c *Core) block(l *lane) {
	if l.blocked {
		return
	}
	l.blocked = true
	c.tally.behindHosts += l.alone
	if l.down == 0 {
		l.down = c.ns
	}
	if l.nextSweep == 0 {
		l.nextSweep = c.ns + int64(sweepPause)
	}
	c.wakeAt(&l.alarm, max(c.ns, l.nextSweep)) // a lane that is probed often is blocked anew each time
}

func (c *Core) unblock(l *lane) {
	if !l.blocked {
		return
	}
	l.blocked = false
	c.tally.behindHosts -= l.alone
	c.wakeAt(&l.alarm, 0)
}

// retryAt is the earliest time at which a host of the lane may be tried.
func (l *lane) retryAt() int64 {
	at := int64(0)
	for _, s := range l.order {
		if t := l.hosts[s].retryAt; at == 0 || t < at {
			at = t
		}
	}
	return at
}

// ring is the lanes that want a connection, in turn.
type ring struct {
	lanes []*lane
	head  int
}

func (r *ring) len() int     { return len(r.lanes) - r.head }
func (r *ring) first() *lane { return r.lanes[r.head] }
func (r *ring) push(l *lane) { r.lanes = append(r.lanes, l) }

func (r *ring) pop() *lane {
	l := r.lanes[r.head]
	r.lanes[r.head] = nil
	r.head++
	if r.head > 32 && r.head > len(r.lanes)/2 {
		n := copy(r.lanes, r.lanes[r.head:])
		clear(r.lanes[n:])
		r.lanes, r.head = r.lanes[:n], 0
	}
	return l
}

func (c *Core) enterRing(l *lane) {
	if !l.inRing {
		l.inRing = true
		c.ring.push(l)
	}
}

func (c *Core) leaveRing() *lane {
	l := c.ring.pop()
	l.inRing = false
	return l
}
