package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/inbound"
	"mtad/tlsstate"
)

// connection is one inbound socket and its session goroutine.
type connection struct {
	h    *Daemon
	sock *tlsstate.Socket
	from *inlet
	door inbound.Listener
	done chan struct{} // closed when the session goroutine has ended and the socket is closed
}

func (h *Daemon) newConnection(m *accepted) *connection {
	return &connection{h: h, sock: m.sock, from: m.from, door: *m.from.door.Load(), done: make(chan struct{})}
}

func (c *connection) Receive(ctx actor.Context) {
	defer c.h.watchdog("connection")
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.h.startWork("session", ctx.Self(), c.serve)
	case *workDone:
		if m.fault != nil {
			panic(m.fault)
		}
		ctx.Send(ctx.Parent(), &ended{pid: ctx.Self()})
	}
}

// serve is the session goroutine. The socket's one Close returns its credit.
func (c *connection) serve() {
	defer close(c.done)
	defer c.from.release(c.sock)
	c.h.inbound.Serve(c.sock, c.door)
}
