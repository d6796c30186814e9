package queue

import (
	"time"

	"mtad/spool"
)

// warnStep is one time of delay_warning: it goes through the messages in order of
// arrival, behind the clock by that time, and meets only those that are still here
// then. Nothing is kept for a message that is not late.
type warnStep struct {
	number int   // from 0
	after  int64 // of a message's age
	seq    uint64
	alarm  alarm
}

// lateness is a warning that is due.
type lateness struct {
	m     *message
	count int
}

// warnSlice bounds the messages that one wake-up looks at.
const warnSlice = 256

// delayStep is the age at step n. Behind the last time of the list its last interval
// goes on; one time alone is the interval (Exim's delay_warning).
func (s *Settings) delayStep(n int) int64 {
	times := s.DelayWarning
	if n < len(times) {
		return int64(times[n])
	}
	last := times[len(times)-1]
	interval := last
	if len(times) > 1 {
		interval = last - times[len(times)-2]
	}
	return int64(last) + int64(n-len(times)+1)*int64(interval)
}

// delaysPassed is how many steps an age has passed.
func (s *Settings) delaysPassed(age int64) int {
	n := 0
	for n < 250 && s.delayStep(n) <= age {
		n++
	}
	return n
}

// watchDelay makes sure that the first step will come to a message.
func (c *Core) watchDelay(m *message) {
	if len(c.set.DelayWarning) == 0 {
		return
	}
	if len(c.tell.steps) == 0 {
		c.addStep(m.seq)
	}
	if s := c.tell.steps[0]; !s.alarm.set {
		s.seq = m.seq
		c.wakeAt(&s.alarm, m.received+s.after)
	}
}

func (c *Core) addStep(seq uint64) *warnStep {
	s := &warnStep{number: len(c.tell.steps), seq: seq}
	s.after = c.set.delayStep(s.number)
	s.alarm.owner = s
	c.tell.steps = append(c.tell.steps, s)
	return s
}

// alarmed goes on from where the step was.
func (s *warnStep) alarmed(c *Core) {
	for n, m := range c.arrivals.from(s.seq) {
		s.seq = m.seq
		if m.open == 0 {
			continue
		}
		if at := m.received + s.after; at > c.ns || n >= warnSlice {
			c.wakeAt(&s.alarm, max(at, c.ns))
			return
		}
		s.seq++
		c.late(m)
		c.passToNext(s, m)
	}
}

// passToNext lets the step behind this one come to the message too.
func (c *Core) passToNext(s *warnStep, m *message) {
	if s.number == len(c.tell.steps)-1 {
		c.addStep(m.seq)
	}
	if next := c.tell.steps[s.number+1]; !next.alarm.set {
		next.seq = m.seq
		c.wakeAt(&next.alarm, m.received+next.after)
	}
}

// late notes a warning, unless the message has had it or is not to have any.
func (c *Core) late(m *message) {
	count := c.set.delaysPassed(c.ns - m.received)
	if m.null || m.frozen || m.doomed || int(m.warned) >= count {
		return
	}
	m.warned = uint8(count)
	c.tell.late = append(c.tell.late, lateness{m, count})
}

// giveWarnings gives out warnings, a few at a time.
func (c *Core) giveWarnings() {
	for len(c.tell.late) > 0 && c.tell.telling < c.set.MaxReports {
		w := c.tell.late[0]
		c.tell.late = c.tell.late[1:]
		if c.messages[w.m.id] != w.m {
			continue
		}
		var rcpts []int
		for i := range w.m.size() {
			r := w.m.rcpt(i)
			if r.state == spool.Pending && (r.notify == 0 || r.notify&spool.NotifyDelay != 0) {
				rcpts = append(rcpts, i)
			}
		}
		if len(rcpts) > 0 {
			c.tell.telling++
			c.emit(Warn{w.m.id, rcpts, w.count})
		}
	}
}

// Warned takes in that a Warn was carried out, or could not be: then the next step
// warns.
func (c *Core) Warned(now time.Time) []Action {
	c.begin(now)
	c.tell.telling--
	return c.end()
}
