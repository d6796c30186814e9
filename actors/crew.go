package actors

import "sync"

// crew is goroutines that wait for work. One that has run a session has the stack
// for the next, which a new one would have to grow, copying it several times.
type crew struct {
	mu     sync.Mutex
	idle   []chan func() // the one that rested last is the first to go
	closed bool
}

// maxIdle bounds the goroutines that wait.
const maxIdle = 256

// run runs f, which must not panic, in a goroutine of its own.
func (c *crew) run(f func()) {
	c.mu.Lock()
	n := len(c.idle)
	if n == 0 {
		c.mu.Unlock()
		go c.work(f)
		return
	}
	member := c.idle[n-1]
	c.idle = c.idle[:n-1]
	c.mu.Unlock()
	member <- f
}

func (c *crew) work(f func()) {
	next := make(chan func(), 1)
	for f != nil {
		f()
		if !c.rest(next) {
			return
		}
		f = <-next
	}
}

func (c *crew) rest(next chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= maxIdle {
		return false
	}
	c.idle = append(c.idle, next)
	return true
}

// close sends home who waits, and who works when he has done so.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, member := range c.idle {
		close(member)
	}
	c.idle = nil
}
