package actors

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/inbound"
	"mtad/tlsstate"
)

// inlet is one listening socket and what is counted of its connections. It
// outlives its listener actor.
type inlet struct {
	h        *Daemon
	net      net.Listener
	listener inbound.Listener
	open     atomic.Int64
	closing  atomic.Bool
	accepted *metrics.Counter
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
				return
			}
			l.rest(err)
			continue
		}
		sock := tlsstate.New(conn)
		if reply := l.in.admit(sock.RemoteAddr().Addr()); reply != inbound.Welcome {
			l.h.refuse(sock, reply, l.in.listener)
			continue
		}
		l.h.root.Send(supervisor, &accepted{sock: sock, from: l.in})
	}
}

// rest waits a moment after an accept that failed: with no descriptors left,
// the connections in hand have to end first.
func (l *listener) rest(err error) {
	l.h.log.AcceptFailed(l.in.listener.Name, err)
	pause := 50 * time.Millisecond
	if errors.Is(err, syscall.ECONNABORTED) {
		pause = 0
	}
	time.Sleep(pause)
}

// admit takes a credit for a connection from addr, or says what refuses it.
func (in *inlet) admit(addr netip.Addr) inbound.Refusal {
	if reply := in.h.door.enter(addr, in.h.cfg); reply != inbound.Welcome {
		return reply
	}
	in.open.Add(1)
	in.accepted.Inc()
	return inbound.Welcome
}

// release closes a connection's socket and gives its credit back.
func (in *inlet) release(sock *tlsstate.Socket) {
	addr := sock.RemoteAddr().Addr()
	sock.Close()
	in.open.Add(-1)
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
