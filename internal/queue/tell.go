package queue

// codeHostRetry is Exim's number for what waits for a host's retry time.
const codeHostRetry = -53 // ERRNO_HRETRY

// tellBlocked says, once, that an item waits for its hosts without a try of its own.
// Nothing is recorded: the time is the hosts'.
func (c *Core) tellBlocked(it *item) {
	l := it.lane
	if it.marks&told != 0 || it.state != ready || l == nil || !l.blocked {
		return
	}
	it.marks |= told
	m, rcpts := it.msg, ints(it.rcpts())
	c.emit(Deferred{
		Message: m.id, Rcpts: rcpts, Router: it.routerName(), Transport: l.transport, Code: codeHostRetry,
		Text: "retry time not reached for any host for '" + domainOf(c.set.Address(m.id, rcpts[0])) + "'",
		Next: c.fromNow(l.retryAt()),
	})
}
