package actors

import (
	"net/netip"
	"os"
	"path/filepath"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/spool"
)

// supervisorDo runs f in the supervisor, between two messages.
func (r *relay) supervisorDo(f func(*supervisor, actor.Context)) {
	m := &ask{f: f, done: make(chan struct{})}
	r.root.Send(r.supervisor, m)
	<-m.done
}

// killDeliveries stops all delivery actors behind the supervisor's back.
func (r *relay) killDeliveries() {
	r.supervisorDo(func(s *supervisor, ctx actor.Context) {
		for _, h := range s.deliveries {
			ctx.Stop(h.pid)
		}
	})
}

func (r *relay) supervises(what string) (n int) {
	r.supervisorDo(func(s *supervisor, _ actor.Context) {
		switch what {
		case "burying":
			n = s.burying
		case "deliveries":
			n = len(s.deliveries)
		case "listeners":
			n = len(s.inlets)
		}
	})
	return n
}

func (r *relay) paniclog() string {
	r.log.Flush(patience)
	b, _ := os.ReadFile(filepath.Join(r.logs, "paniclog"))
	return string(b)
}

// only returns the one message in the spool.
func (r *relay) only() (env *spool.Envelope) {
	r.spool.Range(func(e *spool.Envelope) bool {
		env = e
		return true
	})
	if env == nil {
		r.t.Fatal("the spool is empty")
	}
	return env
}

func queueID(s string) (id spool.ID) {
	copy(id[:], s)
	return id
}

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
