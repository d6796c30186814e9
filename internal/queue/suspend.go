package queue

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"mtad/internal/selector"
	"mtad/spool"
)

// An operator may suspend everything, a site or domains, until a time or until
// further notice. What a delivery has then runs to its end; nothing new is begun.
//
// All and sites cost nothing while they last: the ring is not served, or the lane does
// not enter it. Domains share lanes with others, so their items are parked (deferred
// until the end) when their turn comes, some at a time: suspending half a million
// messages is done at once, and looks at none of them.

// What a suspension is of.
const (
	SuspendAll    = "all"
	SuspendDomain = "domain"
	SuspendSite   = "site"
)

// Suspension is one operator's word. Scope and Pattern name it.
type Suspension struct {
	Scope   string
	Pattern string // of recipient domains, or of the site or the names of a lane's hosts; "" for all
	Since   time.Time
	Until   time.Time // zero: until it is resumed
	Who     string
	Why     string
}

// suspension is one in force.
type suspension struct {
	Suspension
	pattern selector.Pattern
	until   int64   // 0: no end
	alarm   alarm   // its end
	parked  []*item // for an early end; some may have left
}

// MaxSuspensions bounds them.
const MaxSuspensions = 1000

// longPark is how long items of a suspension without an end are put off for.
const longPark = int64(10 * 365 * 24 * time.Hour)

// suspended is what is in force.
type suspended struct {
	list    []*suspension
	all     *suspension
	domains int // of list, those of a domain
	sites   int

	parkedNow int     // items parked in the present call
	crowded   []*lane // lanes that wait to park more
	lifted    []*item // items to come due, of domains resumed early
	work      suspendedWork
}

// parkSlice bounds what one call parks or lifts.
const parkSlice = 1000

// suspendedWork goes on, a millisecond later, with what was more than a slice.
type suspendedWork struct{ alarm alarm }

func (w *suspendedWork) alarmed(c *Core) {
	crowded := c.susp.crowded
	c.susp.crowded = nil
	for _, l := range crowded {
		if l != nil {
			c.offer(l)
		}
	}
	n := min(parkSlice, len(c.susp.lifted))
	for _, it := range c.susp.lifted[:n] {
		if it.state == deferred && it.marks&parked != 0 {
			c.comeDue(it)
		}
	}
	if c.susp.lifted = c.susp.lifted[n:]; len(c.susp.lifted) > 0 {
		c.later()
	}
}

func (c *Core) later() {
	c.susp.work.alarm.owner = &c.susp.work
	c.wakeAt(&c.susp.work.alarm, c.ns+int64(time.Millisecond))
}

// Suspend takes a word in; one of the same scope and pattern is replaced. Nothing
// happens where there are MaxSuspensions already.
func (c *Core) Suspend(now time.Time, s Suspension) []Action {
	c.begin(now)
	s.Pattern = strings.ToLower(s.Pattern)
	if old := c.suspensionNamed(s.Scope, s.Pattern); old != nil {
		c.lift(old)
		c.release(old) // they are parked anew, until the new end
	}
	if len(c.susp.list) < MaxSuspensions {
		c.suspend(s)
		c.emit(Record{spool.Batch{Hosts: []spool.HostFact{s.fact()}}})
	}
	return c.end()
}

func (c *Core) suspend(s Suspension) {
	x := &suspension{Suspension: s, pattern: selector.NewPattern(s.Pattern, false)}
	x.alarm.owner = x
	if !s.Until.IsZero() {
		x.until = max(c.ns+int64(s.Until.Sub(c.wall)), c.ns)
		c.wakeAt(&x.alarm, x.until)
	}
	c.susp.list = append(c.susp.list, x)
	switch s.Scope {
	case SuspendAll:
		c.susp.all = x
		for len(c.idle) > 0 {
			c.hangup(c.idle[len(c.idle)-1])
		}
	case SuspendDomain:
		c.susp.domains++
	case SuspendSite:
		c.susp.sites++
		for _, l := range c.lanes {
			c.judgeLane(l)
		}
	}
}

// Resume ends a suspension; found is false where there is none of that name.
func (c *Core) Resume(now time.Time, scope, pattern string) (actions []Action, found bool) {
	c.begin(now)
	x := c.suspensionNamed(scope, strings.ToLower(pattern))
	if x != nil {
		c.resumeAll(x)
	}
	return c.end(), x != nil
}

// resumeAll ends a suspension and lets what waited for it go.
func (c *Core) resumeAll(x *suspension) {
	c.emit(Record{spool.Batch{Hosts: []spool.HostFact{{Key: x.fact().Key}}}})
	c.lift(x)
	if x.until == 0 || x.until > c.ns {
		c.release(x)
	}
}

// release lets what a suspension has parked come due before its time.
func (c *Core) release(x *suspension) {
	if len(x.parked) > 0 {
		c.susp.lifted = append(c.susp.lifted, x.parked...)
		c.later()
	}
}

// alarmed: its time is over.
func (x *suspension) alarmed(c *Core) {
	c.resumeAll(x)
	c.emit(Resumed{x.Suspension})
}

// lift takes a suspension off the list.
func (c *Core) lift(x *suspension) {
	c.wakeAt(&x.alarm, 0)
	c.susp.list = slices.DeleteFunc(c.susp.list, func(o *suspension) bool { return o == x })
	switch x.Scope {
	case SuspendAll:
		c.susp.all = nil
		for _, l := range c.lanes {
			c.offer(l)
		}
	case SuspendDomain:
		c.susp.domains--
	case SuspendSite:
		c.susp.sites--
		for _, l := range c.lanes {
			c.judgeLane(l)
		}
	}
}

func (c *Core) suspensionNamed(scope, pattern string) *suspension {
	for _, x := range c.susp.list {
		if x.Scope == scope && x.Pattern == pattern {
			return x
		}
	}
	return nil
}

// judgeLane finds out whether a lane is a suspended site.
func (c *Core) judgeLane(l *lane) {
	was := l.stop
	l.stop = nil
	if c.susp.sites > 0 {
		hops := l.hops()
		for _, x := range c.susp.list {
			if x.Scope == SuspendSite && selector.SiteMatch(hops, x.pattern.Match) {
				l.stop = x
			}
		}
	}
	switch {
	case l.stop != nil:
		for len(l.idle) > 0 {
			c.hangup(l.idle[0])
		}
	case was != nil:
		c.offer(l)
	}
}

func (l *lane) hops() []selector.Hop {
	hops := make([]selector.Hop, len(l.order))
	for i, s := range l.order {
		h := l.hosts[s]
		hops[i] = selector.Hop{Name: h.addr.Name, Addr: h.addr.Addr.Addr(), Site: h.siteName()}
	}
	return hops
}

// halted reports whether nothing at all is to be begun.
func (c *Core) halted() bool { return !c.started || c.draining || c.susp.all != nil }

// stopped reports whether nothing of a lane is to be begun.
func (c *Core) stopped(l *lane) bool { return c.halted() || l.stop != nil || l.superseded }

// head returns the first item of a lane that may be begun now, nil when there is
// none. Those of suspended domains that stand before it are parked.
func (c *Core) head(l *lane) *item {
	if c.stopped(l) {
		return nil
	}
	for {
		it := l.line.peek(l)
		if it == nil || c.susp.domains == 0 || !c.sift(it) {
			return it
		}
		if c.susp.parkedNow >= parkSlice {
			if !slices.Contains(c.susp.crowded, l) {
				c.susp.crowded = append(c.susp.crowded, l)
			}
			c.later()
			return nil
		}
	}
}

// headUnrouted is head for those that wait for routing.
func (c *Core) headUnrouted() *item {
	for {
		it := c.unrouted.peek(nil)
		if it == nil || c.susp.domains == 0 || !c.sift(it) {
			return it
		}
		if c.susp.parkedNow >= parkSlice {
			c.later()
			return nil
		}
	}
}

// sift puts the recipients of suspended domains off, and reports whether the whole item went.
func (c *Core) sift(it *item) bool {
	var of *suspension
	var off, on []int32
	domains := c.set.Domains(it.msg.id)
	for _, i := range it.rcpts() {
		if x := c.domainSuspension(domains, i); x != nil {
			of = x
			off = append(off, i)
		} else {
			on = append(on, i)
		}
	}
	switch {
	case of == nil:
		return false
	case len(on) == 0:
		c.putAside(it, of)
		return true
	}
	other := it.msg.newItem(off)
	c.setLane(other, it.lane)
	other.router = it.router
	it.msg.more.sets[it.number] = on
	c.putAside(other, of)
	return false
}

func (c *Core) putAside(it *item, x *suspension) {
	it.due = x.until
	if it.due == 0 {
		it.due = c.ns + longPark
	}
	c.move(it, deferred)
	it.marks |= parked
	x.parked = append(x.parked, it)
	c.susp.parkedNow++
}

func (c *Core) domainSuspension(domains []string, rcpt int32) *suspension {
	if int(rcpt) >= len(domains) {
		return nil
	}
	for _, x := range c.susp.list {
		if x.Scope == SuspendDomain && x.pattern.Match(domains[rcpt]) {
			return x
		}
	}
	return nil
}

// suspensionOf returns what keeps an item back, nil for nothing.
func (c *Core) suspensionOf(it *item) *suspension {
	switch {
	case it.state == active:
		return nil
	case it.lane != nil && it.lane.stop != nil && it.marks&parked == 0:
		return cmp.Or(c.susp.all, it.lane.stop)
	case c.susp.domains > 0 && (it.state == ready || it.marks&parked != 0):
		domains := c.set.Domains(it.msg.id)
		for _, i := range it.rcpts() {
			if x := c.domainSuspension(domains, i); x != nil {
				return x
			}
		}
	}
	return c.susp.all
}

// String is the line that says why something waits.
func (s Suspension) String() string {
	text := "suspended"
	if s.Scope == SuspendAll {
		text = "everything is suspended"
	} else {
		text += ": " + s.Scope + "=" + s.Pattern
	}
	if !s.Until.IsZero() {
		text += " until " + s.Until.Format(time.DateTime)
	}
	text += ", by " + s.Who
	if s.Why != "" {
		text += " (" + s.Why + ")"
	}
	return text
}

// SuspensionState is one with what it keeps back so far.
type SuspensionState struct {
	Suspension
	Parked int // items of its domains whose turn came
}

// Suspensions lists those in force, oldest first.
func (c *Core) Suspensions() []SuspensionState {
	states := make([]SuspensionState, 0, len(c.susp.list))
	for _, x := range c.susp.list {
		s := SuspensionState{Suspension: x.Suspension}
		for _, it := range x.parked {
			if it.state == deferred && it.marks&parked != 0 {
				s.Parked++
			}
		}
		states = append(states, s)
	}
	return states
}
