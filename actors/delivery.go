package actors

import (
	"context"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/outbound"
	"mtad/internal/queue"
)

// delivery sends one message and then owns its connection until the queue says
// what becomes of it: handed on to a successor, kept, or ended.
//
//	trying → asked → handed on
//	              → waiting → handed on | quitting → over
//	              → quitting → over
type delivery struct {
	h       *Daemon
	attempt *attempt
}

func (h *Daemon) newDelivery(job queue.Job, under *setup, conn *outbound.Conn) *delivery {
	ctx, cancel := context.WithCancel(context.Background())
	return &delivery{h: h, attempt: &attempt{
		h: h, job: job, under: under, conn: conn, ctx: ctx, cancel: cancel, done: make(chan struct{}),
	}}
}

func (d *delivery) Receive(ctx actor.Context) {
	defer d.h.watchdog("delivery")
	switch m := ctx.Message().(type) {
	case *actor.Started:
		d.h.startWork("delivery", ctx.Self(), d.attempt.run)
	case *workDone:
		if m.fault != nil {
			panic(m.fault)
		}
		d.report(ctx)
	case *next:
		d.h.reached("delivery: next")
		ctx.Send(ctx.Parent(), &handoff{from: ctx.Self(), job: m.job, under: m.under, conn: d.attempt.take(), made: d.attempt.under})
	case *wait:
		// The connection stays as it is; next or hangup follows.
	case *hangup:
		d.quit(ctx)
	}
}

// report tells the queue how the attempt ended; after a quit it ends the actor.
func (d *delivery) report(ctx actor.Context) {
	if d.attempt.reported {
		ctx.Send(ctx.Parent(), &ended{pid: ctx.Self()})
		return
	}
	ctx.Request(d.h.queue.Load(), &finished{report: d.attempt.report})
	d.attempt.reported = true
}

// quit ends the connection in a goroutine: QUIT takes a round trip.
func (d *delivery) quit(ctx actor.Context) {
	conn := d.attempt.take()
	if conn == nil {
		ctx.Send(ctx.Parent(), &ended{pid: ctx.Self()})
		return
	}
	d.h.startWork("delivery", ctx.Self(), func() { d.h.quit(conn) })
}
