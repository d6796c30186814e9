package actors

import (
	"fmt"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"
)

// startWork runs f in a goroutine of the crew and tells the actor to when it has
// ended. It is the only place where a session goroutine starts: a panic in a
// goroutine escapes an actor's supervision, so it is caught, counted and logged
// here, and reported like any other end.
func (h *Daemon) startWork(kind string, to *actor.PID, f func()) {
	h.crew.run(func() {
		var fault any
		defer func() { h.root.Send(to, &workDone{fault: fault}) }()
		defer func() {
			if r := recover(); r != nil {
				fault = h.panicked(kind, r)
			}
		}()
		f()
	})
}

// logged is a panic whose stack the log has already: the actor panics with it
// again, so that one path (its supervisor's) cleans up after both kinds.
type logged struct{ reason any }

// panicked counts and logs a panic with its stack.
func (h *Daemon) panicked(kind string, reason any) logged {
	if l, again := reason.(logged); again {
		return l
	}
	countFailure(kind)
	h.log.Panic(fmt.Sprintf("panic in %s: %v", kind, reason), debug.Stack())
	return logged{reason}
}

// watchdog is deferred by every Receive: the stack is known only here, the
// supervisor that decides what happens next sees but the reason.
func (h *Daemon) watchdog(kind string) {
	if r := recover(); r != nil {
		panic(h.panicked(kind, r))
	}
}
