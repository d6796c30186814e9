package queue

import "time"

// slowStart is the window a host begins with; it doubles with every round of
// successes up to max_connections, and is halved by a failure.
const slowStart = 5

// hostKey: what one transport learns of a host (a certificate it does not like)
// says nothing about another's.
type hostKey struct {
	transport string
	addr      HostAddr
}

// host owns window, rate and retry time of one address of a next hop.
type host struct {
	key   hostKey
	addr  HostAddr
	lanes int // that name it

	// The window.
	limits  Limits
	window  int
	round   int  // successes since the window last changed
	conns   int  // deliveries, lingering ones included
	good    int  // those of them that have worked once
	probing bool // after a failure: one connection until a success
	idle    []*delivery

	// What failed; all zero while it answers.
	retryAt   int64
	firstFail int64
	lastFail  int64
	interval  int64 // between the last failure and retryAt
	attempts  int
	kind      string
	trouble   string

	remembered bool // by the spool

	bucket bucket // the rate

	site   *site // nil: none
	inSite bool  // stands in its list

	waiters []*lane // that found no room here, in order
	alarm   alarm   // the retry time; the next token; the end of an unused host
}

// hostMemory is how long the window of a host without work is remembered.
const hostMemory = 10 * time.Minute

func (c *Core) hostFor(transport string, a HostAddr) *host {
	key := hostKey{transport, a}
	h := c.hosts[key]
	if h == nil {
		h = &host{key: key, addr: a, site: c.siteFor(a)}
		h.alarm.owner = h
		h.limits = c.set.Limits(transport)
		h.window = min(slowStart, h.max())
		h.bucket = newBucket(h.limits.MaxRate, c.ns)
		c.hosts[key] = h
	}
	return h
}

func (h *host) max() int { return max(h.limits.MaxConnections, 1) }

// room reports whether a new connection may be opened now.
func (h *host) room(now int64) bool {
	return h.retryAt <= now && h.conns < h.allowed() && h.token(now) && h.site.room(now)
}

func (h *host) allowed() int {
	if h.probing {
		return 1
	}
	return min(h.window, h.max())
}

// token reports whether the rate of the host allows a message now.
func (h *host) token(now int64) bool { return h.bucket.token(now) }

// places is how many connections may be opened, where need be in place of lingering ones.
func (h *host) places() int { return h.allowed() - h.conns + len(h.idle) }

// spend pays for a message that goes to the host.
func (c *Core) spend(h *host) {
	h.bucket.spend()
	c.setHostAlarm(h)
	if h.site != nil {
		h.site.bucket.spend()
		c.setSiteAlarm(h.site)
	}
}

// worked takes in that the host greeted and took commands.
func (c *Core) worked(h *host) {
	if h.firstFail != 0 || h.probing {
		h.firstFail, h.lastFail, h.interval, h.retryAt = 0, 0, 0, 0
		h.attempts, h.kind, h.trouble = 0, "", ""
		c.forgetHost(h)
		h.probing, h.round = false, 0
		h.window = min(slowStart, h.max())
		c.wakeHost(h)
		return
	}
	if h.round++; h.round >= h.window && h.window < h.max() {
		h.window, h.round = min(2*h.window, h.max()), 0
		c.wakeHost(h)
	}
}

// failed takes in that it did not. Where other connections to it have worked and are
// still open, it is only too busy for so many: the window shrinks. Otherwise
// it gets a retry time.
func (c *Core) failed(h *host, it *item, busy bool, kind, trouble string) {
	h.window, h.round = max(1, h.window/2), 0
	if busy {
		h.window = max(1, min(h.window, h.conns-1))
	}
	if h.good > 0 {
		return
	}
	if h.firstFail == 0 {
		h.firstFail = c.ns
	}
	if h.retryAt > c.ns {
		return // one of several that failed together
	}
	h.lastFail, h.kind, h.trouble = c.ns, kind, trouble
	h.attempts++
	h.probing = true
	h.retryAt = c.hostRetry(h, it)
	h.interval = h.retryAt - c.ns
	c.remember(h)
	c.setHostAlarm(h)
}

// lastResort is the pause for a host whose rule gives none.
const lastResort = 15 * time.Minute

// hostRetry asks the rules for the host as if it were a recipient of its own. Past
// the last cutoff it is still probed, as often as last.
func (c *Core) hostRetry(h *host, it *item) int64 {
	address := c.set.Address(it.msg.id, int(it.rcpts()[0]))
	next, ok := c.set.Rules.Next(domainOf(address), address, h.kind,
		moment(h.firstFail), c.now(), c.now(), h.attempts)
	switch {
	case ok && nanos(next) > c.ns:
		return nanos(next)
	case h.interval > 0:
		return c.ns + h.interval
	}
	return c.ns + int64(lastResort)
}

// wakeHost sends as many waiting lanes to the ring as there is room for. The lanes of
// a site's host have their turn among those of the site.
func (c *Core) wakeHost(h *host) {
	switch {
	case len(h.waiters) == 0:
	case h.retryAt > c.ns || !h.token(c.ns):
		c.setHostAlarm(h)
	case h.site != nil:
		c.joinSite(h)
		c.wakeSite(h.site)
	default:
		c.wakeLanes(h, h.places())
	}
}

// wakeLanes sends up to n waiting lanes to the ring and returns how many went.
func (c *Core) wakeLanes(h *host, n int) (woken int) {
	for woken < n && len(h.waiters) > 0 {
		l := h.waiters[0]
		h.waiters[0] = nil
		h.waiters = h.waiters[1:]
		if !c.leaveWaiters(l, h) {
			continue
		}
		if c.unblock(l); l.line.ready > 0 {
			c.enterRing(l)
			woken++
		}
	}
	return woken
}

// leaveWaiters takes the lane's mark off; false: the entry was stale.
func (c *Core) leaveWaiters(l *lane, h *host) bool {
	for s, other := range l.hosts {
		if other == h && l.waits&(1<<s) != 0 {
			l.waits &^= 1 << s
			return true
		}
	}
	return false
}

// setHostAlarm sets the time at which the host may have room by itself.
func (c *Core) setHostAlarm(h *host) {
	switch {
	case h.retryAt > c.ns:
		c.wakeAt(&h.alarm, h.retryAt)
	case len(h.waiters) > 0 && !h.token(c.ns):
		c.wakeAt(&h.alarm, h.bucket.next())
	case h.lanes == 0 && h.conns == 0:
		c.wakeAt(&h.alarm, c.ns+int64(hostMemory))
	}
}

// retire starts the end of a host that no lane names any more.
func (c *Core) retire(h *host) {
	if h.lanes == 0 && h.conns == 0 {
		c.setHostAlarm(h)
	}
}

func (h *host) alarmed(c *Core) {
	if h.lanes == 0 && h.conns == 0 && h.retryAt <= c.ns {
		c.forgetHost(h)
		delete(c.hosts, h.key)
		return
	}
	c.wakeHost(h)
	c.setHostAlarm(h)
}
