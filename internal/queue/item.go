package queue

import (
	"time"

	"mtad/spool"
)

// message is one message of which something remains. Most have one recipient:
// that one, and the first item, stand in it, so that it is one allocation.
type message struct {
	id       spool.ID
	seq      uint64 // order of arrival
	received int64
	one      recipient
	more     *crowd // nil where there is one recipient only
	item     item   // the first item

	open   int32 // recipients that are not final
	failed int32 // of these, those whose sender is to be told
	state  gauge
	null   bool  // without a sender: a bounce
	listed bool  // in tellings.failing
	warned uint8 // delay warnings its sender has had
	frozen bool
	doomed bool  // an operator ended recipients of it that a delivery had
	lost   uint8 // deliveries that died with it, running
}

// crowd is what a message of several recipients has beside.
type crowd struct {
	recipients []recipient
	sets       [][]int32 // recipients by number of item, ascending
	rest       []*item   // items from number 1
	counts     [held + 1]int32
}

// recipient is what the schedule knows of one RCPT. Times are Unix nanoseconds, 0 is none.
type recipient struct {
	firstFail, lastTry int64
	attempts           int32
	state              spool.State
	doom               doom
	notify             spool.Notify
}

// item is a message's recipients in one lane.
type item struct {
	msg    *message
	lane   *lane  // nil: not routed
	due    int64  // of a deferred one
	tried  uint32 // hosts of the lane (by slot) that failed it in this round
	pos    int32  // in the heap of deferred ones; -1 when not there
	number uint16 // among the message's items
	kind   uint8  // of the error that deferred it, in Core.kinds
	state  state
	router uint8 // in lane.routers
	marks  uint8
	// strikes counts attempts running that decided nothing, by no fault of a connection's age.
	strikes uint8
	fresh   bool // to be sent on a new connection
}

// Marks of an item.
const (
	told     = 1 << iota // the log has that it waits for its hosts
	parked               // deferred because its domain is suspended
	rerouted             // its route is to be asked for anew before its next attempt
	follows              // asked, and served by the look-up of another
)

// state of an item; change it with move only.
type state uint8

const (
	over     state = iota // no recipients left here; its place may be used again
	ready                 // in a line → active | asked | held | over
	asked                 // its route is being looked up → ready | deferred | held | over
	active                // a delivery has it → ready | deferred | held | over
	deferred              // until due → ready | held | over
	held                  // the message is frozen → ready | over
)

var onlyOne = []int32{0}

// rcpts are the pending recipients of an item.
func (it *item) rcpts() []int32 {
	if it.msg.more == nil {
		return onlyOne
	}
	return it.msg.more.sets[it.number]
}

// rcpt returns recipient i, nil where the message has no such one.
func (m *message) rcpt(i int) *recipient {
	switch {
	case m.more == nil && i == 0:
		return &m.one
	case m.more != nil && i >= 0 && i < len(m.more.recipients):
		return &m.more.recipients[i]
	}
	return nil
}

// items calls f for every item that is not over.
func (m *message) items(f func(*item)) {
	if m.item.state != over {
		f(&m.item)
	}
	if m.more == nil {
		return
	}
	for _, it := range m.more.rest {
		if it.state != over {
			f(it)
		}
	}
}

// alone reports whether the message can have no other item.
func (it *item) alone() bool { return it.msg.more == nil }

// before is the order in lines: arrival.
func (it *item) before(other *item) bool {
	if it.msg.seq != other.msg.seq {
		return it.msg.seq < other.msg.seq
	}
	return it.number < other.number
}

// sooner and setPos make items members of the heap of deferred ones.
func (it *item) sooner(other *item) bool {
	return it.due < other.due || it.due == other.due && it.msg.seq < other.msg.seq
}
func (it *item) setPos(i int32) { it.pos = i }

// newItem returns an item of m for these recipients, in state over.
func (m *message) newItem(rcpts []int32) *item {
	if m.more == nil {
		return &m.item
	}
	it := m.freeItem()
	m.more.sets[it.number] = rcpts
	*it = item{msg: m, number: it.number, pos: -1}
	return it
}

// freeItem finds a place that is over, or makes one.
func (m *message) freeItem() *item {
	if m.item.state == over {
		return &m.item
	}
	for _, it := range m.more.rest {
		if it.state == over {
			return it
		}
	}
	it := &item{number: uint16(len(m.more.sets))}
	m.more.rest = append(m.more.rest, it)
	m.more.sets = append(m.more.sets, nil)
	return it
}

// admit takes a message in: recipients never tried are ready to be routed, those
// deferred before wait until their rule's time.
func (c *Core) admit(env *spool.Envelope) {
	if _, known := c.messages[env.ID]; known || len(env.Recipients) == 0 {
		return
	}
	m := &message{id: env.ID, received: env.Received.UnixNano(), frozen: env.Frozen,
		null: env.Sender == "", warned: uint8(env.Warned)}
	m.item = item{msg: m, pos: -1}
	if n := len(env.Recipients); n > 1 {
		m.more = &crowd{recipients: make([]recipient, n), sets: make([][]int32, 1, 2)}
	}
	fresh, again := c.sortRecipients(m, env)
	if m.open == 0 {
		return
	}
	c.messages[m.id] = m
	c.arrivals.add(m)
	c.tally.recipients += int(m.open)
	c.restate(m)
	c.watchDelay(m)
	if len(fresh) > 0 {
		c.place(m.newItem(fresh), ready)
	}
	if len(again) > 0 {
		it := m.newItem(again)
		it.due = c.restoredDue(it)
		c.place(it, deferred)
	}
}

// sortRecipients fills in m's recipients and tells those never tried from those
// that were deferred before.
func (c *Core) sortRecipients(m *message, env *spool.Envelope) (fresh, again []int32) {
	for i := range env.Recipients {
		from, r := &env.Recipients[i], m.rcpt(i)
		*r = recipient{firstFail: nanos(from.FirstFail), lastTry: nanos(from.LastTry), attempts: int32(from.Attempts), state: from.State, notify: from.Notify}
		if !r.state.Final() {
			m.open++
		}
		if r.state == spool.Failed {
			m.failed++
		}
		switch {
		case r.state != spool.Pending:
		case r.lastTry == 0:
			fresh = appendRcpt(m, fresh, i)
		default:
			again = appendRcpt(m, again, i)
		}
	}
	return fresh, again
}

// appendRcpt spares a message of one recipient its list.
func appendRcpt(m *message, list []int32, i int) []int32 {
	if m.more == nil {
		return onlyOne
	}
	return append(list, int32(i))
}

// restoredDue is when recipients that were deferred in an earlier life are due.
// A last try in the future is a clock's mistake.
func (c *Core) restoredDue(it *item) int64 {
	due := int64(0)
	for _, i := range it.rcpts() {
		r := it.msg.rcpt(int(i))
		last := min(r.lastTry, c.ns)
		next, ok := c.rule(it.msg, int(i), "", r.firstFail, last, last)
		if !ok {
			return c.ns // one more try, then it is over
		}
		if due == 0 || next < due {
			due = next
		}
	}
	return due
}

// rule asks the retry rules about one recipient. All times are the core's.
func (c *Core) rule(m *message, i int, kind string, firstFail, lastTry, at int64) (int64, bool) {
	address := c.set.Address(m.id, i)
	next, ok := c.set.Rules.Next(domainOf(address), address, kind,
		time.Unix(0, firstFail), time.Unix(0, lastTry), time.Unix(0, at), int(m.rcpt(i).attempts))
	return nanos(next), ok
}

func domainOf(address string) string {
	for i := len(address) - 1; i >= 0; i-- {
		if address[i] == '@' {
			return address[i+1:]
		}
	}
	return ""
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment is the reverse of nanos.
func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
