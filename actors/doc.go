// Package actors owns what has a life: sockets, deliveries, the schedule.
//
//	supervisor                 spawns, stops, knows which job each delivery holds; decides on failures
//	├── queue/EPOCH            carries out what internal/queue decides
//	├── listener/ADDR          an accept loop
//	├── connection/N           one inbound socket and its session goroutine
//	└── delivery/N             one outbound message and, while it lasts, one connection
//
// An actor's Receive never blocks on network, disk or DNS: it starts one
// goroutine (a work), which does the blocking, linear part, and whose end is
// its report. All messages stand in messages.go. The tree is flat on purpose: a
// restart in protoactor stops all children, so what can crash holds no sockets
// below it.
//
// Three rules keep mail from being lost or doubled, and each has a test that
// fails without it:
//
//   - A socket actor never stops itself. It reports (handoff or ended) and the
//     supervisor stops it after taking that in: system messages overtake user
//     ones, so a Terminated could otherwise arrive before the handoff sent first.
//     Only the Terminated of one that still stands in its books means death.
//   - A dead delivery is reported to the queue (lost) only when its goroutine has
//     ended: one that still reads a 250 still records it.
//   - Only the supervisor starts jobs, and none of an epoch that is over. When the
//     queue has died, its successor is told what is in flight before it schedules.
package actors
