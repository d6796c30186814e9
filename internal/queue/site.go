package queue

import "math"

// A site is hosts that the operator counts as one next hop, so that ten thousand
// domains on the servers of one provider share its connections and its rate. A
// host of a site has room where the site has room too.
//
//	lane ── host ─┐
//	lane ── host ─┼─ site   connections and tokens, shared
//	lane ── host ─┘
//
// Lanes that find no room wait at their hosts. Hosts with such lanes stand in the
// site's list, first in, first out; a place that falls free goes to a lane of the
// first of them, which then goes to the end: no host is passed over, and the end of
// a connection wakes as many lanes as it makes room for.

// Site is one [[site]] of the configuration.
type Site struct {
	Name           string
	MaxConnections int     // to all its hosts together; 0 is no limit
	MaxRate        float64 // messages a second to all of them; 0 is no limit
}

type site struct {
	Site
	conns  int // to its hosts, lingering ones included
	idle   []*delivery
	bucket bucket

	waiters []*host // with lanes that wait, in order
	alarm   alarm   // the next token
}

// siteFor returns the site of a host, nil where it has none.
func (c *Core) siteFor(a HostAddr) *site {
	set := c.set.Site(a)
	if set == nil {
		return nil
	}
	s := c.sites[set.Name]
	if s == nil {
		s = &site{Site: *set, bucket: newBucket(set.MaxRate, c.ns)}
		s.alarm.owner = s
		c.sites[s.Name] = s
	}
	return s
}

// resite finds the sites of all hosts anew, with the connections they have. Nobody waits
// there then: the lanes are superseded.
func (c *Core) resite() {
	for _, s := range c.sites {
		c.wakeAt(&s.alarm, 0)
	}
	clear(c.sites)
	for _, h := range c.hosts {
		h.inSite = false
		if h.site = c.siteFor(h.addr); h.site != nil {
			h.site.conns += h.conns
			h.site.idle = append(h.site.idle, h.idle...)
		}
	}
}

// siteName is "" where the host has no site.
func (h *host) siteName() string {
	if h.site == nil {
		return ""
	}
	return h.site.Name
}

func (s *site) max() int {
	if s.MaxConnections <= 0 {
		return math.MaxInt
	}
	return s.MaxConnections
}

// room reports whether a connection may be opened and a message sent on it; a host
// without a site has no such limit.
func (s *site) room(now int64) bool { return s == nil || !s.full() && s.bucket.token(now) }

func (s *site) full() bool { return s != nil && s.conns >= s.max() }

// token reports whether the rate allows a message now.
func (s *site) token(now int64) bool { return s == nil || s.bucket.token(now) }

// joinSite puts a host at the end of its site's list.
func (c *Core) joinSite(h *host) {
	if !h.inSite {
		h.inSite = true
		h.site.waiters = append(h.site.waiters, h)
	}
}

// leaveSite gives a connection's place at the site back.
func (c *Core) leaveSite(h *host) {
	h.site.conns--
	if len(h.waiters) > 0 {
		c.joinSite(h)
	}
	c.wakeSite(h.site)
}

// wakeSite sends as many lanes to the ring as there is room for, one of each host
// in turn.
func (c *Core) wakeSite(s *site) {
	if !s.bucket.token(c.ns) {
		c.setSiteAlarm(s)
		return
	}
	for n := min(s.max()-s.conns+len(s.idle), s.bucket.have()); n > 0 && len(s.waiters) > 0; {
		h := s.waiters[0]
		s.waiters[0] = nil
		s.waiters = s.waiters[1:]
		h.inSite = false
		if h.retryAt <= c.ns && h.token(c.ns) {
			n -= c.wakeLanes(h, min(1, h.places()))
		}
		c.setHostAlarm(h)
		if len(h.waiters) > 0 && h.retryAt <= c.ns && h.token(c.ns) && h.places() > 0 {
			c.joinSite(h)
		}
	}
}

// setSiteAlarm sets the time of the token that a host of the site waits for.
func (c *Core) setSiteAlarm(s *site) {
	if len(s.waiters) > 0 && !s.bucket.token(c.ns) {
		c.wakeAt(&s.alarm, s.bucket.next())
	}
}

// alarmed: there is a token.
func (s *site) alarmed(c *Core) { c.wakeSite(s) }

// wantedBeside reports whether a lane other than l waits for a place at the site. It
// looks at the first few hosts only, as the same of a host does at lanes.
func (s *site) wantedBeside(l *lane, now int64) bool {
	for _, h := range s.waiters[:min(len(s.waiters), 8)] {
		if h.retryAt <= now && h.wantedBeside(l) {
			return true
		}
	}
	return false
}

// bucket bounds a rate: a token a message.
type bucket struct {
	rate   float64 // tokens a second; 0: there is no limit
	tokens float64
	filled int64
}

func newBucket(rate float64, now int64) bucket {
	b := bucket{rate: rate, filled: now}
	b.tokens = b.burst()
	return b
}

// burst is what may be sent at once after a pause: a tenth of a second's messages.
func (b *bucket) burst() float64 { return max(1, b.rate/10) }

// limit sets another rate.
func (b *bucket) limit(rate float64) {
	b.rate = rate
	b.tokens = min(b.tokens, b.burst())
}

// token reports whether the rate allows a message now.
func (b *bucket) token(now int64) bool {
	if b.rate <= 0 {
		return true
	}
	if d := now - b.filled; d > 0 {
		b.tokens = min(b.burst(), b.tokens+float64(d)/1e9*b.rate)
		b.filled = now
	}
	return b.tokens >= 1
}

// have is how many messages that are, after token said so.
func (b *bucket) have() int {
	if b.rate <= 0 {
		return math.MaxInt
	}
	return int(b.tokens)
}

func (b *bucket) spend() {
	if b.rate > 0 {
		b.tokens--
	}
}

// next is when token will be true.
func (b *bucket) next() int64 {
	if b.rate <= 0 || b.tokens >= 1 {
		return b.filled
	}
	return b.filled + int64((1-b.tokens)/b.rate*1e9) + 1
}
