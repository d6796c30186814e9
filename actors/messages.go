package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/outbound"
	"mtad/internal/queue"
	"mtad/spool"
	"mtad/tlsstate"
)

// Commands are imperatives, facts are past tense. Messages carry ids and
// envelopes, never bodies; a connection travels only to the supervisor.

type (
	// accepted: listener → supervisor, for every inbound connection that was
	// given a credit. The socket and the credit are the supervisor's now.
	accepted struct {
		sock *tlsstate.Socket
		from *inlet
	}

	// arrived: session goroutine → queue, once a message is on stable storage and
	// before its 250 is written. A queue that dies on the way has seen it in
	// its start scan.
	arrived struct{ env *spool.Envelope }

	// routed: routing goroutine → queue, the answer to the core's Route. One that was
	// given under an earlier configuration is asked for again.
	routed struct {
		under  *setup
		rcpts  []int
		key    string // the domains that were asked for
		id     spool.ID
		dests  []queue.Destination
		faults []queue.RouteFault
		behind []int // instead of an answer: these recipients wait for a look-up under way
	}

	// served: queue → itself: go on with what waited for a look-up that has ended.
	served struct{ key string }

	// bounced, warned: reporting goroutine → queue: what the core's Bounce, or Warn,
	// came to. Not done: the core asks again.
	bounced struct {
		id   spool.ID
		done bool
	}
	warned struct{}

	// startDelivery: queue → supervisor. Dropped where the epoch is over.
	startDelivery struct {
		job   queue.Job
		under *setup // what the queue was configured with when it gave the job out
	}

	// finished: delivery → queue. What the report names is recorded. Answered by
	// exactly one of next, wait and hangup; after wait, one of the others follows.
	finished struct{ report queue.Report }

	// next, wait, hangup: queue → delivery.
	next struct {
		job   queue.Job
		under *setup
	}
	wait   struct{}
	hangup struct{}

	// handoff: delivery → supervisor. The giver has forgotten the connection; the
	// supervisor stops it and spawns the successor on it.
	handoff struct {
		from  *actor.PID
		job   queue.Job
		under *setup
		conn  *outbound.Conn
		made  *setup // the giver's
	}

	// ended: any socket actor → supervisor: nothing is left to do, stop me now.
	ended struct{ pid *actor.PID }

	// lost: supervisor → queue. The delivery died and its goroutine has ended; or
	// its last job was not begun. What it still found out stands in the spool,
	// where the next attempt reads it.
	lost struct{ delivery queue.DeliveryID }

	// inFlight: supervisor → a new queue, its first message: what deliveries still
	// hold. Only after it anything is scheduled. suspect is the message at
	// which the queue died twice running: it is frozen.
	inFlight struct {
		jobs    []queue.Job
		suspect spool.ID
	}

	// buried: a goroutine of the supervisor's → supervisor: the goroutine of an
	// actor that died has ended too.
	buried struct{ delivery queue.DeliveryID }

	// inspect: anybody → queue: run f on the core, between two events, then close
	// done. f must be quick; long work comes in slices.
	inspect struct {
		f    func(*queue.Core) []queue.Action
		done chan struct{}
	}

	// ask: anybody → supervisor: run f inside it, between two messages, then close
	// done.
	ask struct {
		f    func(*supervisor, actor.Context)
		done chan struct{}
	}

	// reconfigure: daemon → queue: another setup is in force. A queue that dies on the way
	// has a successor that begins with it.
	reconfigure struct{}

	// listenOn: daemon → supervisor: accept on these from now on, and on those no more.
	listenOn struct{ open, close []*inlet }

	// drain: daemon → supervisor → queue. No new sessions, no new jobs; what is
	// in hand is finished.
	drain struct{}

	// pause: daemon → queue: no new jobs (a poisoned spool).
	pause struct{}

	// abort: daemon → supervisor, when the drain's time is over: close all sockets.
	abort struct{}

	// workDone: an actor's own goroutine → the actor. fault is what it panicked
	// with, nil where it returned.
	workDone struct{ fault any }

	// respawnQueue: the supervisor's timer → supervisor: the pause after a death of
	// the queue is over.
	respawnQueue struct{ suspect spool.ID }

	// quitDone: a goroutine of the supervisor's → supervisor: a connection that no
	// actor had has been ended.
	quitDone struct{}

	// wake: the queue's timer → queue.
	wake struct{}
)
