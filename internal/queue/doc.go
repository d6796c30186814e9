// Package queue is the schedule: what is sent to whom, when, on which
// connection. It is plain state and decisions: single-threaded, no I/O, and time
// is an argument. What it wants done it returns as actions.
//
//	message ─┬─ item ── lane ─┬─ host ── delivery (a connection in use, or lingering)
//	         ├─ item ── lane  └─ host ── site (hosts that share limits)
//	         └─ item (not routed yet)
//
// An item is a message in one lane: the recipients that wait there. It is ready (in
// the line of its lane, in order of arrival; without a lane: in the line of those
// that wait for routing), asked (its route is being looked up), active (a
// delivery has it), deferred (in one heap by due time), held (its message is
// frozen) or over.
//
// A lane owns order and identity, a host owns window, rate and retry time. A
// connection needs a credit of remote_max_parallel, room in the host's window (and
// at its site) and an item whose first choice that host is. Lanes that want a connection stand in
// a ring and are served in turn; a lane that finds its hosts full or waiting
// for their retry time stands in their lists of waiters and is woken by them: no
// event looks at more than it touches. A host that is down costs one probe when its
// retry time comes, however many messages wait behind it.
//
// Files: core.go the contract and the clock; item.go messages and the states of
// items; line.go, heap.go orders; routing.go; lane.go, host.go, site.go; schedule.go who
// gets a connection; finish.go, settle.go what a report means; bounce.go,
// warn.go what senders are told, tell.go what the log is; hostfact.go what outlives a restart; expire.go what never got its turn; operator.go; gauges.go.
package queue
