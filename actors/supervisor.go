package actors

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/outbound"
	"mtad/internal/queue"
	"mtad/spool"
)

// supervisor spawns and stops, and knows which job each delivery holds. It has
// no logic of mail: what is sent where and when is the queue's.
type supervisor struct {
	h     *Daemon
	first []*inlet // to begin with

	serial   uint64 // names of actors
	epoch    queue.Epoch
	queue    *actor.PID
	last     *queueActor // the newest, dead or alive
	deaths   deaths
	draining bool
	aborting bool

	inlets      map[string]*inlet            // by id of their listener actor
	connections map[string]*connection       // by actor id
	deliveries  map[queue.DeliveryID]*holder // who holds which job
	byActor     map[string]queue.DeliveryID  // deliveries by actor id
	burying     int                          // dead deliveries whose goroutines still run
	quitting    int                          // connections being ended without an actor
}

// holder is the delivery actor that has a job, and its attempt.
type holder struct {
	pid     *actor.PID
	attempt *attempt
}

func newSupervisor(h *Daemon, first []*inlet) *supervisor {
	return &supervisor{
		h:           h,
		first:       first,
		inlets:      make(map[string]*inlet),
		connections: make(map[string]*connection),
		deliveries:  make(map[queue.DeliveryID]*holder),
		byActor:     make(map[string]queue.DeliveryID),
	}
}

func (s *supervisor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.spawnQueue(ctx, spool.ID{})
		for _, in := range s.first {
			s.spawnListener(ctx, in)
		}
	case *accepted:
		s.spawnConnection(ctx, m)
	case *startDelivery:
		s.start(ctx, m)
	case *handoff:
		s.handOn(ctx, m)
	case *ended:
		s.stop(ctx, m.pid)
	case *buried:
		s.burying--
		s.tellQueue(ctx, &lost{delivery: m.delivery})
	case *listenOn:
		s.listenOn(ctx, m)
	case *quitDone:
		s.quitting--
	case *respawnQueue:
		s.spawnQueue(ctx, m.suspect)
	case *ask:
		m.f(s, ctx)
		close(m.done)
	case *drain:
		s.drain(ctx)
	case *abort:
		s.abort(ctx)
	case *actor.Terminated:
		s.terminated(ctx, m.Who)
	default:
		return
	}
	if s.draining && s.idle() {
		s.h.drained()
	}
}

// idle reports whether no session is left in either direction.
func (s *supervisor) idle() bool {
	return len(s.connections) == 0 && len(s.deliveries) == 0 && s.burying == 0 && s.quitting == 0
}

// onSendersTime has an actor take in a message in the goroutine that sends it,
// where it is idle: one that waits for two or three messages in its life, and does
// next to nothing with them, needs no goroutine started for each.
var onSendersTime = actor.WithDispatcher(actor.NewSynchronizedDispatcher(300))

// spawn starts an actor under a name of its own.
func (s *supervisor) spawn(ctx actor.Context, kind string, a actor.Actor) *actor.PID {
	s.serial++
	name := kind + "/" + strconv.FormatUint(s.serial, 10)
	props := actor.PropsFromProducer(func() actor.Actor { return a }, actor.WithSupervisor(s.h.strategy))
	if kind == "connection" || kind == "delivery" {
		props.Configure(onSendersTime)
	}
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot spawn %s: %v", name, err))
	}
	countActors(kind, 1)
	return pid
}

func (s *supervisor) spawnListener(ctx actor.Context, in *inlet) {
	pid := s.spawn(ctx, "listener", &listener{h: s.h, in: in})
	s.inlets[pid.Id] = in
}

func (s *supervisor) spawnConnection(ctx actor.Context, m *accepted) {
	c := s.h.newConnection(m)
	pid := s.spawn(ctx, "connection", c)
	s.connections[pid.Id] = c
}

// spawnQueue starts a queue of a new epoch and tells it what is in flight. Its
// scan of the spool begins with that message, after its address is known to
// all: what was committed before and reported to its predecessor it then sees.
func (s *supervisor) spawnQueue(ctx actor.Context, suspect spool.ID) {
	s.epoch++
	q := newQueueActor(s.h, s.epoch, ctx.Self())
	if s.last != nil {
		q.died = cmp.Or(s.last.core, s.last.died)
	}
	s.last = q
	s.queue = s.spawn(ctx, "queue", q)
	s.h.queue.Store(s.queue)
	ctx.Send(s.queue, &inFlight{jobs: s.jobs(ctx), suspect: suspect})
	if s.draining {
		ctx.Send(s.queue, &drain{})
	}
}

// jobs lists what deliveries still work on. One that has ended its work and
// waits for an answer of a queue that is gone is told to hang up.
func (s *supervisor) jobs(ctx actor.Context) []queue.Job {
	var jobs []queue.Job
	for _, d := range s.deliveries {
		select {
		case <-d.attempt.done:
			ctx.Send(d.pid, &hangup{})
		default:
			jobs = append(jobs, d.attempt.job)
		}
	}
	return jobs
}

// start spawns the first delivery actor of a new connection.
func (s *supervisor) start(ctx actor.Context, m *startDelivery) {
	if s.current(m.job) {
		s.spawnDelivery(ctx, m.job, m.under, nil)
	}
}

func (s *supervisor) spawnDelivery(ctx actor.Context, job queue.Job, under *setup, conn *outbound.Conn) {
	d := s.h.newDelivery(job, under, conn)
	if s.aborting {
		d.attempt.cancel()
	}
	pid := s.spawn(ctx, "delivery", d)
	s.deliveries[job.Delivery] = &holder{pid: pid, attempt: d.attempt}
	s.byActor[pid.Id] = job.Delivery
}

// handOn moves a connection to a fresh actor. A job of an epoch that is over, or
// one that comes while draining, is not begun: it counts as no attempt. A connection made
// under another configuration is not used for it (a queue that died in between has not
// told them apart): it gets one of its own.
func (s *supervisor) handOn(ctx actor.Context, m *handoff) {
	s.stop(ctx, m.from)
	if s.current(m.job) && !s.draining && m.conn != nil {
		if m.made != m.under {
			s.quit(ctx, m.conn)
			m.conn = nil
		}
		s.spawnDelivery(ctx, m.job, m.under, m.conn)
		return
	}
	s.quit(ctx, m.conn)
	if s.current(m.job) {
		s.tellQueue(ctx, &lost{delivery: m.job.Delivery})
	}
}

// current reports whether a job is of the queue that lives: no other is begun.
func (s *supervisor) current(job queue.Job) bool { return s.queue != nil && job.Epoch == s.epoch }

// tellQueue sends to the queue, if one lives: its successor learns all from the
// spool and from inFlight.
func (s *supervisor) tellQueue(ctx actor.Context, m any) {
	if s.queue != nil {
		ctx.Send(s.queue, m)
	}
}

// quit ends a connection that no actor has.
func (s *supervisor) quit(ctx actor.Context, conn *outbound.Conn) {
	if conn == nil {
		return
	}
	s.quitting++
	self := ctx.Self()
	go func() {
		defer s.h.root.Send(self, &quitDone{})
		s.h.quit(conn)
	}()
}

// stop orders an actor to end; it has reported all it had. What is not in the
// books any more has died already, and was dealt with.
func (s *supervisor) stop(ctx actor.Context, pid *actor.PID) {
	if s.forget(pid) {
		ctx.Stop(pid)
	}
}

// forget drops an actor from the books and reports whether it stood there.
func (s *supervisor) forget(pid *actor.PID) bool {
	if id, ok := s.byActor[pid.Id]; ok {
		delete(s.byActor, pid.Id)
		s.deliveries[id].attempt.cancel()
		delete(s.deliveries, id)
		countActors("delivery", -1)
		return true
	}
	if _, ok := s.connections[pid.Id]; ok {
		delete(s.connections, pid.Id)
		countActors("connection", -1)
		return true
	}
	if _, ok := s.inlets[pid.Id]; ok {
		delete(s.inlets, pid.Id)
		countActors("listener", -1)
		return true
	}
	return false
}

// terminated takes in the end of a child. The end of one that still stands in
// the books was not ordered: it is a death.
func (s *supervisor) terminated(ctx actor.Context, who *actor.PID) {
	switch {
	case s.queue != nil && who.Id == s.queue.Id:
		s.queueDied(ctx)
	case s.connections[who.Id] != nil:
		s.connections[who.Id].sock.Close() // hurries its goroutine, which gives the credit back
		s.forget(who)
	case s.inlets[who.Id] != nil:
		in := s.inlets[who.Id]
		s.forget(who)
		if in.closing.Load() {
			in.net.Close()
			return
		}
		s.spawnListener(ctx, in)
	default:
		s.deliveryDied(ctx, who)
	}
}

// deliveryDied waits, outside, for the goroutine of a dead delivery: until it has
// ended, it may still read a 250 and record it.
func (s *supervisor) deliveryDied(ctx actor.Context, who *actor.PID) {
	id, ok := s.byActor[who.Id]
	if !ok {
		return
	}
	attempt := s.deliveries[id].attempt
	s.forget(who) // cancels the attempt: its socket closes
	s.burying++
	self := ctx.Self()
	go func() {
		<-attempt.done
		if conn := attempt.take(); conn != nil {
			conn.Abort()
		}
		s.h.root.Send(self, &buried{delivery: id})
	}()
}

// queueDied starts a successor, at once the first time, later with growing
// pauses. A message at which it died twice running is its successor's to freeze.
func (s *supervisor) queueDied(ctx actor.Context) {
	countActors("queue", -1)
	s.queue = nil
	suspect, pause := s.deaths.note(s.h.handling(), time.Now())
	self := ctx.Self()
	time.AfterFunc(pause, func() { s.h.root.Send(self, &respawnQueue{suspect: suspect}) })
}

// drain: no new sessions, no new jobs.
func (s *supervisor) drain(ctx actor.Context) {
	if s.draining {
		return
	}
	s.draining = true
	for _, in := range s.inlets {
		in.closing.Store(true)
		in.net.Close()
	}
	s.h.inbound.Drain()
	s.tellQueue(ctx, &drain{})
}

// abort closes every socket; the goroutines then end by themselves.
func (s *supervisor) abort(actor.Context) {
	s.aborting = true
	for _, c := range s.connections {
		c.sock.Close()
	}
	for _, d := range s.deliveries {
		d.attempt.cancel()
	}
}
