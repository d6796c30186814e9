package queue

import (
	"time"

	"mtad/spool"
)

// Who is told what: the failures of a message, and its delays (warn.go).
//
//	failed ── listed ──▶ told in one Bounce, once nothing of the message is under way
//	             │
//	             ├─ nobody to tell (a bounce)  ▶ frozen; given a last try after
//	             │                               ignore_bounce_errors_after, then dropped
//	             └─ not wished (NOTIFY)        ▶ over
//
// A Bounce is one commit, of the report and of what it reports; a crash before it
// leaves the failures in the spool, and Restore finds them.

type (
	// Bounce asks for the message's sender to be told of these failures, in one
	// commit of the report and the state Bounced; the answer is Core.Bounced.
	Bounce struct {
		Message spool.ID
		Rcpts   []int
	}
	// Warn asks for the sender to be told that these recipients wait; count is
	// what Envelope.Warned is then. The answer is Core.Warned.
	Warn struct {
		Message spool.ID
		Rcpts   []int
		Count   int
	}
	// Dropped says that a bounce could not be delivered and is discarded: for
	// the log. Its Record is a separate action.
	Dropped struct {
		Message spool.ID
		Rcpt    int
	}
)

func (Bounce) action()  {}
func (Warn) action()    {}
func (Dropped) action() {}

// tellings is what is to be told to senders.
type tellings struct {
	failing []*message            // with failures that were not told, in turn
	late    []lateness            // warnings due, in turn
	telling int                   // Bounces and Warns without an answer
	bounced map[spool.ID][]int    // the Bounces among them
	alarms  map[*message]*failure // of messages whose failures have to wait
	steps   []*warnStep
}

// failure is the time at which the failures of a message are looked at again.
type failure struct {
	m     *message
	alarm alarm
}

// gather is how long failures wait for what else becomes of their message, so that
// its sender gets one report; and how long a report waits that could not be written.
const gather = time.Minute

// listFailing has the failures of a message looked at when this call ends.
func (c *Core) listFailing(m *message) {
	if m.failed > 0 && !m.listed {
		m.listed = true
		c.tell.failing = append(c.tell.failing, m)
	}
}

// tellSenders gives out reports, a few at a time: a dead domain with half of a
// million messages does not become as many reports at once.
func (c *Core) tellSenders() {
	if !c.started || c.draining {
		return
	}
	for len(c.tell.failing) > 0 && c.tell.telling < c.set.MaxReports {
		m := c.tell.failing[0]
		c.tell.failing[0] = nil
		c.tell.failing = c.tell.failing[1:]
		m.listed = false
		if c.messages[m.id] == m && m.failed > 0 && c.tell.bounced[m.id] == nil {
			c.tellFailures(m)
		}
	}
	c.giveWarnings()
}

func (c *Core) tellFailures(m *message) {
	switch {
	case m.null:
		c.undeliverable(m)
	case m.frozen: // until it is thawed
	case m.underWay() && !c.gathered(m):
		c.failuresAt(m, c.ns+int64(gather))
	default:
		c.bounce(m)
	}
}

// underWay reports whether more may become of the message soon. What waits behind a
// dead host is not.
func (m *message) underWay() bool {
	under := false
	m.items(func(it *item) {
		switch it.state {
		case active, asked:
			under = true
		case ready:
			under = under || it.lane == nil || !it.lane.blocked
		}
	})
	return under
}

// gathered reports that the failures have waited for long enough.
func (c *Core) gathered(m *message) bool {
	f := c.tell.alarms[m]
	return f != nil && !f.alarm.set
}

// failuresAt sets the time at which to look again, unless one is set.
func (c *Core) failuresAt(m *message, at int64) {
	f := c.tell.alarms[m]
	if f == nil {
		f = &failure{m: m}
		f.alarm.owner = f
		c.tell.alarms[m] = f
	}
	if !f.alarm.set {
		c.wakeAt(&f.alarm, at)
	}
}

func (c *Core) forgetFailures(m *message) {
	if f := c.tell.alarms[m]; f != nil {
		c.wakeAt(&f.alarm, 0)
		delete(c.tell.alarms, m)
	}
}

func (f *failure) alarmed(c *Core) {
	if f.m.null {
		c.lastTry(f.m)
	}
	c.listFailing(f.m)
}

// bounce asks for the report. Who does not want to hear of failures is not told.
func (c *Core) bounce(m *message) {
	c.forgetFailures(m)
	var told []int
	var silent []spool.Outcome
	for i := range m.size() {
		switch r := m.rcpt(i); {
		case r.state != spool.Failed:
		case r.notify != 0 && r.notify&spool.NotifyFailure == 0: // RFC 3461 4.1
			c.setRecipient(m, r, spool.Bounced)
			silent = append(silent, c.outcome(m, i, "failed; its sender asked not to be told"))
		default:
			told = append(told, i)
		}
	}
	if len(silent) > 0 {
		c.emit(Record{spool.Batch{Outcomes: silent}})
	}
	if len(told) > 0 {
		c.tell.telling++
		c.tell.bounced[m.id] = told
		c.emit(Bounce{m.id, told})
	}
	c.settled(m)
}

// Bounced takes in that the report which a Bounce asked for is in the spool, with what
// it reports; or that it could not be written: then it is asked for again.
func (c *Core) Bounced(now time.Time, id spool.ID, done bool) []Action {
	c.begin(now)
	rcpts, asked := c.tell.bounced[id]
	delete(c.tell.bounced, id)
	if asked {
		c.tell.telling--
	}
	if m := c.messages[id]; m != nil {
		switch {
		case done:
			for _, i := range rcpts {
				c.setRecipient(m, m.rcpt(i), spool.Bounced)
			}
		default:
			if c.executeFailed(m); m.failed > 0 {
				c.failuresAt(m, c.ns+int64(gather))
			}
		}
		c.settled(m)
	}
	return c.end()
}

// undeliverable ends a bounce that failed: nobody is to be told. It is kept, frozen,
// for an operator to look at, given one more try after ignore_bounce_errors_after,
// and then dropped.
func (c *Core) undeliverable(m *message) {
	if at := m.received + int64(c.set.IgnoreBounceErrorsAfter); at > c.ns {
		if !m.frozen {
			c.freeze(m)
			c.emit(Frozen{m.id, "delivery error message"})
		}
		c.failuresAt(m, at)
		return
	}
	c.forgetFailures(m)
	var outcomes []spool.Outcome
	for i := range m.size() {
		if r := m.rcpt(i); r.state == spool.Failed {
			c.setRecipient(m, r, spool.Discarded)
			outcomes = append(outcomes, c.outcome(m, i, "undeliverable bounce, older than ignore_bounce_errors_after"))
			c.emit(Dropped{m.id, i})
		}
	}
	c.emit(Record{spool.Batch{Outcomes: outcomes}})
	c.settled(m)
}

// lastTry thaws an old bounce. When its recipients first failed is kept: where it
// can again not be delivered now, its time is over.
func (c *Core) lastTry(m *message) {
	if c.messages[m.id] != m || m.failed == 0 {
		return
	}
	if m.frozen {
		m.frozen = false
		c.emit(Record{spool.Batch{Freezes: []spool.Freeze{{ID: m.id, Frozen: false}}}})
	}
	var rcpts []int32
	var outcomes []spool.Outcome
	for i := range m.size() {
		if r := m.rcpt(i); r.state == spool.Failed {
			c.setRecipient(m, r, spool.Pending)
			rcpts = appendRcpt(m, rcpts, i)
			outcomes = append(outcomes, c.outcome(m, i, ""))
		}
	}
	c.emit(Record{spool.Batch{Outcomes: outcomes}})
	m.items(func(it *item) {
		if it.state == held {
			c.comeDue(it)
		}
	})
	c.place(m.newItem(rcpts), ready)
}
