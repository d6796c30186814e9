package queue

import (
	"time"

	"mtad/spool"
)

// Freeze keeps a message from being tried until Thaw. What a delivery has of it at
// present runs to its end.
func (c *Core) Freeze(now time.Time, id spool.ID) []Action {
	c.begin(now)
	if m := c.messages[id]; m != nil && !m.frozen {
		c.freeze(m)
	}
	return c.end()
}

func (c *Core) freeze(m *message) {
	m.frozen = true
	c.emit(Record{spool.Batch{Freezes: []spool.Freeze{{ID: m.id, Frozen: true}}}})
	m.items(func(it *item) {
		if it.state == ready || it.state == deferred {
			c.move(it, held)
		}
	})
}

// Thaw lets a frozen message be tried again, now.
func (c *Core) Thaw(now time.Time, id spool.ID) []Action {
	c.begin(now)
	if m := c.messages[id]; m != nil && m.frozen {
		m.frozen, m.lost = false, 0
		if m.null {
			c.reviveFailed(m)
		}
		c.emit(Record{spool.Batch{Freezes: []spool.Freeze{{ID: m.id, Frozen: false}}}})
		m.items(func(it *item) {
			if it.state == held {
				c.comeDue(it)
			}
		})
		c.listFailing(m)
	}
	return c.end()
}

// Retry makes a message due now and clears the retry times of its hosts. Recipients
// that had failed are tried afresh. A frozen message stays frozen.
func (c *Core) Retry(now time.Time, id spool.ID) []Action {
	c.begin(now)
	m := c.messages[id]
	if m == nil {
		return c.end()
	}
	if c.tell.bounced[id] == nil { // else its sender is being told
		c.reviveFailed(m)
	}
	m.items(func(it *item) {
		if it.lane != nil {
			for _, s := range it.lane.order {
				c.forgive(it.lane.hosts[s])
			}
		}
		if it.state == deferred {
			c.comeDue(it)
		}
	})
	return c.end()
}

// forgive lets a host be tried now, by one connection.
func (c *Core) forgive(h *host) {
	if h.retryAt > c.ns {
		h.retryAt = c.ns
		c.wakeHost(h)
	}
}

func (c *Core) reviveFailed(m *message) {
	var rcpts []int32
	var outcomes []spool.Outcome
	for i := range m.size() {
		if r := m.rcpt(i); r.state == spool.Failed {
			c.setRecipient(m, r, spool.Pending)
			r.firstFail, r.lastTry, r.attempts = 0, 0, 0
			rcpts = appendRcpt(m, rcpts, i)
			outcomes = append(outcomes, c.outcome(m, i, ""))
		}
	}
	if len(rcpts) > 0 {
		c.emit(Record{spool.Batch{Outcomes: outcomes}})
		c.place(m.newItem(rcpts), ready)
	}
}

// size is the number of recipients the message came with.
func (m *message) size() int {
	if m.more == nil {
		return 1
	}
	return len(m.more.recipients)
}
