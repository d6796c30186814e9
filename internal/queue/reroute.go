package queue

import (
	"slices"
	"time"

	"mtad/spool"
)

// Reroute lets the route of recipients, nil for all, be asked for anew, and makes them
// due now: whoever answers Route knows where they are to go. What a delivery has
// runs to its end first.
func (c *Core) Reroute(now time.Time, id spool.ID, rcpts []int) []Action {
	c.begin(now)
	m := c.messages[id]
	if m == nil {
		return c.end()
	}
	m.items(func(it *item) {
		if rcpts != nil && !slices.ContainsFunc(it.rcpts(), func(i int32) bool { return slices.Contains(rcpts, int(i)) }) {
			return
		}
		it.marks |= rerouted
		switch it.state {
		case deferred:
			c.comeDue(it)
		case ready:
			c.move(it, held) // out of its line
			c.place(it, ready)
		}
	})
	return c.end()
}
