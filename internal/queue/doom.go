package queue

import (
	"slices"
	"time"

	"mtad/spool"
)

// An operator's word that ends recipients without an attempt. What a delivery has at
// that moment runs to its end first, and what it leaves open is ended then: each
// recipient has one outcome.

// doom is how a recipient is to end.
type doom uint8

const (
	spared    doom = iota
	toDiscard      // nobody is told
	toBounce       // its sender is told
)

// sentence names the text that goes with a doom.
type sentence struct {
	id  spool.ID
	how doom
}

// Remove discards recipients of a message that are not yet delivered, nil for all; by is who
// says so.
func (c *Core) Remove(now time.Time, id spool.ID, rcpts []int, by string) []Action {
	return c.endRecipients(now, id, rcpts, toDiscard, "removed by "+by)
}

// Bounce fails recipients of a message that are not yet delivered, nil for all, with a text
// that their sender is told.
func (c *Core) Bounce(now time.Time, id spool.ID, rcpts []int, text string) []Action {
	return c.endRecipients(now, id, rcpts, toBounce, text)
}

func (c *Core) endRecipients(now time.Time, id spool.ID, rcpts []int, how doom, text string) []Action {
	c.begin(now)
	m := c.messages[id]
	if m == nil {
		return c.end()
	}
	c.condemn(m, rcpts, how)
	c.sentences[sentence{id, how}] = text
	c.executeFailed(m)
	m.items(func(it *item) {
		if it.state != active {
			c.execute(it)
		}
	})
	if how == toBounce {
		c.thawFailed(m)
	}
	c.settled(m)
	return c.end()
}

// thawFailed: a frozen message tells nobody. Where none of its recipients is pending any
// more, there is nothing left to be kept back.
func (c *Core) thawFailed(m *message) {
	if !m.frozen || m.null {
		return
	}
	for i := range m.size() {
		if m.rcpt(i).state == spool.Pending {
			return
		}
	}
	m.frozen = false
	c.emit(Record{spool.Batch{Freezes: []spool.Freeze{{ID: m.id, Frozen: false}}}})
	c.listFailing(m)
}

// condemn notes how recipients are to end.
func (c *Core) condemn(m *message, rcpts []int, how doom) {
	m.doomed = true
	for i := range m.size() {
		r := m.rcpt(i)
		if r.state.Final() || rcpts != nil && !slices.Contains(rcpts, i) {
			continue
		}
		r.doom = how
	}
}

// execute ends those recipients of an item that an operator condemned, and reports
// whether others are left.
func (c *Core) execute(it *item) (left bool) {
	m := it.msg
	var removed, bounced []int32
	for _, i := range it.rcpts() {
		r := m.rcpt(int(i))
		switch {
		case r.state.Final() || r.doom == spared:
		case r.doom == toDiscard:
			removed = append(removed, i)
		case r.state == spool.Pending:
			bounced = append(bounced, i)
		}
	}
	c.discard(m, removed)
	if len(bounced) > 0 {
		c.giveUp(it, bounced, it.routerName(), c.sentences[sentence{m.id, toBounce}])
	} else if len(removed) > 0 {
		c.dropDecided(it)
	}
	c.pardon(m)
	return it.state != over
}

// pardon lets go of the word where nobody is left whom it is about.
func (c *Core) pardon(m *message) {
	for i := range m.size() {
		if r := m.rcpt(i); r.doom != spared && r.state == spool.Pending {
			return
		}
	}
	if c.tell.bounced[m.id] != nil {
		return
	}
	m.doomed = false
	c.unsay(m.id)
}

func (c *Core) unsay(id spool.ID) {
	delete(c.sentences, sentence{id, toDiscard})
	delete(c.sentences, sentence{id, toBounce})
}

// executeFailed discards those that had failed already and stand in no item, unless
// their sender is being told.
func (c *Core) executeFailed(m *message) {
	var failed []int32
	for i := range m.size() {
		if slices.Contains(c.tell.bounced[m.id], i) {
			continue
		}
		if r := m.rcpt(i); r.state == spool.Failed && r.doom == toDiscard {
			failed = append(failed, int32(i))
		}
	}
	c.discard(m, failed)
}

func (c *Core) discard(m *message, rcpts []int32) {
	outcomes := make([]spool.Outcome, 0, len(rcpts))
	for _, i := range rcpts {
		c.setRecipient(m, m.rcpt(int(i)), spool.Discarded)
		outcomes = append(outcomes, c.outcome(m, int(i), c.sentences[sentence{m.id, toDiscard}]))
	}
	if len(outcomes) > 0 {
		c.emit(Record{spool.Batch{Outcomes: outcomes}})
	}
}
