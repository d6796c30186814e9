package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/mainlog"
	"mtad/internal/queue"
	"mtad/spool"
)

// queueActor carries out what internal/queue decides. Its Receive touches no
// disk and no network: what it needs came with the message.
type queueActor struct {
	h          *Daemon
	epoch      queue.Epoch
	supervisor *actor.PID
	self       *actor.PID

	under *setup                          // what the core was configured with
	core  *queue.Core                     // nil until inFlight
	died  *queue.Core                     // of the predecessor, until inFlight
	asked map[queue.DeliveryID]*actor.PID // who waits for an answer or for work
	timer *time.Timer
	armed time.Time
	inbox []routed // answers of routing that needed no waiting

	// Routes that wait for a look-up under way for the same domains: one look-up
	// serves all, and they keep their order.
	asking map[string][]queue.Route
}

func newQueueActor(h *Daemon, epoch queue.Epoch, supervisor *actor.PID) *queueActor {
	return &queueActor{h: h, epoch: epoch, supervisor: supervisor,
		asked: make(map[queue.DeliveryID]*actor.PID), asking: make(map[string][]queue.Route)}
}

func (q *queueActor) Receive(ctx actor.Context) {
	defer q.h.watchdog("queue")
	now := time.Now()
	switch m := ctx.Message().(type) {
	case *actor.Started:
		q.self = ctx.Self()
	case *inFlight:
		q.begin(now, m)
	case *arrived:
		q.handle(m.env.ID)
		q.apply(q.core.Arrived(now, m.env), m.env)
	case *routed:
		q.handle(m.id)
		q.routed(now, m)
	case *served:
		q.serveBehind(m.key)
	case *finished:
		q.handle(m.report.Message)
		q.asked[m.report.Delivery] = ctx.Sender()
		q.apply(q.core.Finished(now, m.report), nil)
	case *bounced:
		q.handle(m.id)
		q.apply(q.core.Bounced(now, m.id, m.done), nil)
	case *warned:
		q.apply(q.core.Warned(now), nil)
	case *lost:
		delete(q.asked, m.delivery)
		q.apply(q.core.Lost(now, m.delivery), nil)
	case *wake:
		q.armed = time.Time{}
		q.apply(q.core.Tick(now), nil)
	case *reconfigure:
		q.reconfigure(now)
	case *inspect:
		q.inspect(m)
	case *drain, *pause:
		q.apply(q.core.Drain(now), nil)
	case *actor.Stopping:
		q.disarm()
	}
	q.h.handled.Store(nil)
}

// handle notes which message is in hand, for the supervisor to find after a panic.
func (q *queueActor) handle(id spool.ID) { q.h.handled.Store(&id) }

// begin reads the spool's memory and starts scheduling.
func (q *queueActor) begin(now time.Time, m *inFlight) {
	q.under = q.h.setup.Load()
	q.core = queue.New(q.h.queueSettings(q.epoch, q.under))
	q.h.spool.HostFacts(func(f spool.HostFact) bool {
		if s, ok := queue.ParseSuspension(f); ok {
			q.core.RestoreSuspension(now, s)
		}
		q.core.RestoreHost(now, f)
		return true
	})
	q.h.spool.Range(func(env *spool.Envelope) bool {
		if env.ID == m.suspect {
			env.Frozen = true
		}
		q.core.Restore(now, env)
		return true
	})
	q.core.Over(q.died, func(id spool.ID) { q.h.log.Completed(id) })
	q.died = nil
	if !m.suspect.IsZero() {
		q.h.log.Frozen(m.suspect, "the queue failed twice while handling it")
		q.h.recorder.record(spool.Batch{Freezes: []spool.Freeze{{ID: m.suspect, Frozen: true}}})
	}
	q.core.InFlight(now, m.jobs)
	q.apply(q.core.Start(now), nil)
	q.h.started()
}

// apply does what the core wants, in order. env is the envelope of the message
// just arrived, at hand for its routing.
func (q *queueActor) apply(actions []queue.Action, env *spool.Envelope) {
	for {
		for _, a := range actions {
			q.do(a, env)
		}
		if len(q.inbox) == 0 {
			break
		}
		r := q.inbox[0]
		q.inbox = q.inbox[1:]
		if r.behind != nil {
			actions = q.core.Behind(time.Now(), r.id, r.behind)
		} else {
			actions = q.core.Routed(time.Now(), r.id, r.dests, r.faults)
		}
	}
	q.inbox = q.inbox[:0]
	q.arm(q.core.NextWake())
}

func (q *queueActor) do(a queue.Action, env *spool.Envelope) {
	switch a := a.(type) {
	case queue.Route:
		q.route(a, env)
	case queue.StartDelivery:
		q.send(q.supervisor, &startDelivery{job: a.Job, under: q.under})
	case queue.Next:
		q.answer(a.Job.Delivery, &next{job: a.Job, under: q.under}, true)
	case queue.Wait:
		q.answer(a.Delivery, &wait{}, false)
	case queue.Hangup:
		q.answer(a.Delivery, &hangup{}, true)
	case queue.Record:
		q.h.recorder.record(a.Batch)
	case queue.Bounce:
		q.report(&bounced{id: a.Message}, func() any { return &bounced{a.Message, q.h.reports.bounce(a.Message, a.Rcpts)} })
	case queue.Warn:
		q.report(&warned{}, func() any {
			q.h.reports.warn(a.Message, a.Rcpts, a.Count)
			return &warned{}
		})
	default:
		q.tell(a)
	}
}

// tell does the actions that are only log lines.
func (q *queueActor) tell(a queue.Action) {
	log := q.h.log
	switch a := a.(type) {
	case queue.Resumed:
		log.Notice("resumed, its time is over: " + a.Suspension.String())
	case queue.Completed:
		log.Completed(a.Message)
	case queue.GaveUp:
		log.Failed(mainlog.Failure{ID: a.Message, Address: q.h.address(a.Message, a.Rcpt), Router: a.Router, Transport: a.Transport, Text: a.Text})
	case queue.Deferred:
		for _, i := range a.Rcpts {
			log.Deferred(mainlog.Deferral{ID: a.Message, Address: q.h.address(a.Message, i), Router: a.Router, Transport: a.Transport, Code: a.Code, Text: a.Text, Next: a.Next})
		}
	case queue.Dropped:
		log.ErrorIgnored(a.Message, q.h.address(a.Message, a.Rcpt), "an undeliverable bounce, older than ignore_bounce_errors_after")
	case queue.Frozen:
		log.Frozen(a.Message, a.Text)
	}
}

// report has a sender told, once all that was decided so far is durable. After a
// panic in it the answer is the one that is given.
func (q *queueActor) report(answer any, tell func() any) {
	to := q.self
	q.h.recorder.after(func() {
		defer func() {
			if fault := recover(); fault != nil {
				q.h.panicked("report", fault)
			}
			q.h.root.Send(to, answer)
		}()
		answer = tell()
	})
}

// answer tells a delivery what becomes of its connection. over: it is out of our books then.
func (q *queueActor) answer(id queue.DeliveryID, m any, over bool) {
	pid := q.asked[id]
	if over {
		delete(q.asked, id)
	}
	if pid != nil {
		q.send(pid, m)
	}
}

func (q *queueActor) send(pid *actor.PID, m any) { q.h.root.Send(pid, m) }

// arm sets the timer for the core's next due time.
func (q *queueActor) arm(at time.Time) {
	if at.IsZero() || (!q.armed.IsZero() && !at.Before(q.armed)) {
		return
	}
	q.disarm()
	q.armed = at
	self := q.self
	q.timer = time.AfterFunc(time.Until(at), func() { q.h.root.Send(self, &wake{}) })
}

func (q *queueActor) disarm() {
	if q.timer != nil {
		q.timer.Stop()
	}
}
