package actors

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/config"
	"mtad/internal/inbound"
	"mtad/tlsstate"
)

// inlet is one listening socket and what is counted of its connections. It
// outlives its listener actor.
type inlet struct {
	h       *Daemon
	net     net.Listener
	address string // as configured when it was bound
	door    atomic.Pointer[inbound.Listener]
	counts  *listenerCounts
	closing atomic.Bool
}

func (d *Daemon) newInlet(b Bound, cfg *config.Config) *inlet {
	in := &inlet{h: d, net: b.Listener, address: b.Listen.Address, counts: countsOfListener(b.Listen.Address)}
	in.door.Store(doorOf(b.Listen, cfg))
	return in
}

// lastLook is how long a listener that is given up still takes who has come already:
// the kernel would cut those off.
const lastLook = 50 * time.Millisecond

// leave ends the accept loop and closes the listening socket.
func (in *inlet) leave() {
	in.closing.Store(true)
	if l, ok := in.net.(*net.TCPListener); ok {
		l.SetDeadline(time.Now().Add(lastLook)) // the loop closes it then
		return
	}
	in.net.Close()
}

// listener is an accept loop. At smtp_accept_max it answers 421 and closes; it
// falls silent only when the process has no descriptors left.
type listener struct {
	h  *Daemon
	in *inlet
}

func (l *listener) Receive(ctx actor.Context) {
	defer l.h.watchdog("listener")
	switch m := ctx.Message().(type) {
	case *actor.Started:
		self, supervisor := ctx.Self(), ctx.Parent()
		l.h.startWork("listener", self, func() { l.accept(supervisor) })
	case *workDone:
		if m.fault != nil {
			panic(m.fault)
		}
		ctx.Send(ctx.Parent(), &ended{pid: ctx.Self()})
	}
}

// accept takes connections until the listening socket is closed.
func (l *listener) accept(supervisor *actor.PID) {
	for {
		conn, err := l.in.net.Accept()
		if err != nil {
			if l.in.closing.Load() || errors.Is(err, net.ErrClosed) {
				l.in.net.Close()
				return
			}
			l.rest(err)
			continue
		}
		sock := tlsstate.New(conn)
		if reply := l.in.admit(sock.RemoteAddr().Addr()); reply != inbound.Welcome {
			l.h.refuse(sock, reply, *l.in.door.Load())
			continue
		}
		l.h.root.Send(supervisor, &accepted{sock: sock, from: l.in})
	}
}

// rest waits a moment after an accept that failed: with no descriptors left,
// the connections in hand have to end first.
func (l *listener) rest(err error) {
	l.h.log.AcceptFailed(l.in.address, err)
	pause := 50 * time.Millisecond
	if errors.Is(err, syscall.ECONNABORTED) {
		pause = 0
	}
	time.Sleep(pause)
}

// admit takes a credit for a connection from addr, or says what refuses it.
func (in *inlet) admit(addr netip.Addr) inbound.Refusal {
	if reply := in.h.door.enter(addr, in.door.Load().Config); reply != inbound.Welcome {
		return reply
	}
	in.counts.open.Add(1)
	in.counts.accepted.Inc()
	return inbound.Welcome
}

// release closes a connection's socket and gives its credit back.
func (in *inlet) release(sock *tlsstate.Socket) {
	addr := sock.RemoteAddr().Addr()
	sock.Close()
	in.counts.open.Add(-1)
	in.h.door.leave(addr)
}

// refuse tells a client why it is not served, in a goroutine of its own: a
// client that does not read costs the accept loop nothing.
func (h *Daemon) refuse(sock *tlsstate.Socket, why inbound.Refusal, l inbound.Listener) {
	go func() {
		defer sock.Close()
		h.inbound.Refuse(sock, why, l)
	}()
}
