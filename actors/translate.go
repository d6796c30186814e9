package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/outbound"
	"mtad/internal/queue"
	"mtad/internal/route"
	"mtad/spool"
)

// What stands here translates between packages of one floor, which do not know
// each other: the configuration's words to outbound's and the queue's, route's
// answers to the queue's.

// routeTimeout bounds the look-ups of one message's routing.
const routeTimeout = time.Minute

// routeNow routes from what is known already; ok is false where a name has to be looked up.
func (s *setup) routeNow(env *spool.Envelope, rcpts []int) (routed, bool) {
	dests, faults, ok := s.router.Known(env, rcpts)
	if !ok {
		return routed{}, false
	}
	return answer(env.ID, dests, faults), true
}

// routeLater routes with look-ups, in a goroutine of its own, and tells the queue.
// A panic in it is a fault of routing: tried again at the retry time.
func (d *Daemon) routeLater(to *actor.PID, under *setup, key string, env *spool.Envelope, rcpts []int) {
	go func() {
		r := routed{id: env.ID, faults: []queue.RouteFault{{Recipients: rcpts, Text: "routing failed by a fault of mtad: see the panic log"}}}
		defer func() {
			if fault := recover(); fault != nil {
				d.panicked("routing", fault)
			}
			r.under, r.rcpts, r.key = under, rcpts, key
			d.root.Send(to, &r)
		}()
		ctx, cancel := context.WithTimeout(context.Background(), routeTimeout)
		defer cancel()
		dests, faults := under.router.Route(ctx, env, rcpts)
		r = answer(env.ID, dests, faults)
	}()
}

func answer(id spool.ID, dests []route.Destination, faults []route.Fault) routed {
	r := routed{id: id}
	for i := range dests {
		t := &dests[i]
		hosts := make([]queue.HostAddr, len(t.Hosts))
		for j, h := range t.Hosts {
			hosts[j] = queue.HostAddr(h)
		}
		r.dests = append(r.dests, queue.Destination{Router: t.Router, Transport: t.Transport, Lane: t.Lane, DNS: t.DNS, Hosts: hosts, Recipients: t.Recipients})
	}
	for _, f := range faults {
		r.faults = append(r.faults, queue.RouteFault(f))
	}
	return r
}

// target translates the queue's word for a host to outbound's.
func target(h queue.HostAddr) outbound.Target {
	return outbound.Target{Name: h.Name, Addr: h.Addr, IP: h.Addr.Addr().String()}
}
