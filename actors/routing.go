package actors

import (
	"strings"
	"time"

	"mtad/internal/queue"
	"mtad/spool"
)

// One look-up serves all messages whose route depends on the same domains: those
// behind it wait in order, and cost nothing but their place. The core bounds the
// look-ups.

// route answers from what is known where it can, and asks in a goroutine where a
// name has to be looked up.
func (q *queueActor) route(a queue.Route, env *spool.Envelope) {
	env, ok := q.envelope(a, env)
	if !ok {
		return
	}
	if len(q.asking) > 0 {
		if behind, ok := q.asking[domains(env, a.Rcpts)]; ok {
			q.asking[domains(env, a.Rcpts)] = append(behind, a)
			q.inbox = append(q.inbox, routed{id: a.Message, behind: a.Rcpts})
			return
		}
	}
	if !q.routeNow(a, env) {
		key := domains(env, a.Rcpts)
		q.asking[key] = nil
		q.h.routeLater(q.self, q.under, key, env, a.Rcpts)
	}
}

// envelope finds that of a Route; where it cannot, the answer is a fault.
func (q *queueActor) envelope(a queue.Route, env *spool.Envelope) (*spool.Envelope, bool) {
	if env != nil && env.ID == a.Message {
		return env, true
	}
	env, err := q.h.spool.Envelope(a.Message)
	if err != nil {
		q.inbox = append(q.inbox, routed{id: a.Message, faults: []queue.RouteFault{{Recipients: a.Rcpts, Text: err.Error()}}})
	}
	return env, err == nil
}

func (q *queueActor) routeNow(a queue.Route, env *spool.Envelope) bool {
	r, ok := q.under.routeNow(env, a.Rcpts)
	if ok {
		q.inbox = append(q.inbox, r)
	}
	return ok
}

// routed takes in the answer of a look-up, and with it serves those behind it. One by
// a configuration that is gone is asked for again, in its place.
func (q *queueActor) routed(now time.Time, m *routed) {
	if m.under == q.under {
		q.apply(q.core.Routed(now, m.id, m.dests, m.faults), nil)
	} else {
		q.asking[m.key] = append([]queue.Route{{Message: m.id, Rcpts: m.rcpts}}, q.asking[m.key]...)
	}
	q.serveBehind(m.key)
}

// servedAtOnce bounds what is routed in one turn of the actor.
const servedAtOnce = 256

// serveBehind routes those that waited for a look-up, some at a time. Where what it
// found is not known any more, the first of them begins another.
func (q *queueActor) serveBehind(key string) {
	behind := q.asking[key]
	for n, a := range behind {
		if n == servedAtOnce {
			q.asking[key] = behind[n:]
			q.send(q.self, &served{key})
			q.apply(nil, nil)
			return
		}
		if env, ok := q.envelope(a, nil); ok && !q.routeNow(a, env) {
			q.asking[key] = behind[n+1:]
			q.h.routeLater(q.self, q.under, key, env, a.Rcpts)
			q.apply(nil, nil)
			return
		}
	}
	delete(q.asking, key)
	q.apply(nil, nil)
}

// domains is what the route of these recipients depends on.
func domains(env *spool.Envelope, rcpts []int) string {
	key := ""
	for _, i := range rcpts {
		address := env.Recipients[i].Address
		part := address[strings.LastIndexByte(address, '@')+1:] + " "
		if to := env.Recipients[i].Route; to != "" {
			part = to + " " + part
		}
		if !strings.HasSuffix(key, part) {
			key += part
		}
	}
	return key
}
