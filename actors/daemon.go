package actors

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/inbound"
	"mtad/internal/mainlog"
	"mtad/internal/outbound"
	"mtad/internal/queue"
	"mtad/internal/route"
	"mtad/internal/selector"
	"mtad/spool"
)

// Daemon is the running relay: the actors and what they share. Everything it
// is given stays the caller's to close, after Drain.
type Daemon struct {
	// Set at birth.
	spool    *spool.Spool
	log      *mainlog.Log
	inbound  *inbound.Server
	dns      route.DNS
	certs    *certs.Store
	version  string
	handoffs *handoffs
	recorder *recorder
	reports  *reports
	fatal    func(reason any)

	root       *actor.RootContext
	supervisor *actor.PID
	strategy   actor.SupervisorStrategy

	// Written by Reconfigure, the setup read by all.
	setup         atomic.Pointer[setup]
	reconfiguring sync.Mutex
	inlets        []*inlet

	// Written by the supervisor, read by all.
	queue atomic.Pointer[actor.PID]
	// Written by the queue actor, read by the supervisor after its death.
	handled atomic.Pointer[spool.ID]

	// at is called at points of the code that tests want to stop or break; nil otherwise.
	at func(point string)

	crew      crew
	door      door
	draining  atomic.Bool
	startOnce sync.Once
	running   chan struct{} // closed when the queue schedules
	emptyOnce sync.Once
	empty     chan struct{} // closed when a drain has nothing left to wait for
}

// Bound is a listening socket and what the configuration says of it.
type Bound struct {
	net.Listener
	Listen config.Listen
}

// Options of Start. All but Certs and Names are needed; DNS where mail goes to
// hosts by name.
type Options struct {
	Config    *config.Config
	Spool     *spool.Spool
	Log       *mainlog.Log
	Listeners []Bound
	Version   string                                              // for the banner and Received:
	DNS       route.DNS                                           // for routing
	Certs     *certs.Store                                        // for both sides; nil: one for this daemon
	Names     func(context.Context, netip.Addr) ([]string, error) // for inbound.Deps
	// Fatal is told when the supervisor has panicked. It must end the process:
	// nobody is left to look after the actors, and the spool is the truth.
	Fatal func(reason any)
}

// Start brings the actors to life. It returns at once; Running tells when the
// queue has read the spool and schedules.
func Start(o Options) *Daemon { return start(o, nil) }

func start(o Options, at func(point string)) *Daemon {
	if o.Certs == nil {
		o.Certs = certs.NewStore(certs.Options{Dir: o.Config.Dir, SpoolDir: o.Config.SpoolDirectory, Hostname: o.Config.PrimaryHostname})
	}
	d := &Daemon{
		at:    at,
		spool: o.Spool, log: o.Log, fatal: o.Fatal, dns: o.DNS, certs: o.Certs, version: o.Version,
		handoffs: newHandoffs(o.Spool, o.Log),
		running:  make(chan struct{}),
		empty:    make(chan struct{}),
	}
	d.setup.Store(d.makeSetup(o.Config))
	d.recorder = &recorder{commit: d.spool.Commit, fault: func(err error) {
		d.log.Panic("cannot record a decision of the queue: "+err.Error(), nil)
	}}
	d.reports = &reports{h: d, under: make(map[spool.ID]chan struct{})}
	d.inbound = inbound.NewServer(inbound.Deps{
		Config:   d.Config,
		Spool:    o.Spool,
		Log:      o.Log,
		Arrived:  func(env *spool.Envelope) { d.root.Send(d.queue.Load(), &arrived{env: env}) },
		Version:  o.Version,
		Draining: d.draining.Load,
		Certs:    o.Certs,
		Names:    o.Names,
	})
	for _, b := range o.Listeners {
		d.inlets = append(d.inlets, d.newInlet(b, o.Config))
	}
	d.spawnSupervisor()
	return d
}

// spawnSupervisor makes the actor system. No metrics provider: it leaks a
// callback with each spawn; its own log goes nowhere: what happens is logged where
// it is handled.
func (d *Daemon) spawnSupervisor() {
	quiet := func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
	system := actor.NewActorSystem(actor.WithLoggerFactory(quiet))
	d.root = system.Root
	d.strategy = actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
	end := actor.NewOneForOneStrategy(0, 0, func(reason any) actor.Directive {
		d.fatal(reason)
		return actor.StopDirective
	})
	inlets := d.inlets // they are another list after Reconfigure
	props := actor.PropsFromProducer(func() actor.Actor { return newSupervisor(d, inlets) },
		actor.WithGuardian(end), actor.WithSupervisor(d.strategy))
	pid, err := d.root.SpawnNamed(props, "supervisor")
	if err != nil {
		panic("BUG: cannot spawn the supervisor: " + err.Error())
	}
	d.supervisor = pid
}

// reached tells a test that the code has come to a point.
func (d *Daemon) reached(point string) {
	if d.at != nil {
		d.at(point)
	}
}

// Running is closed when the queue has read the spool and schedules.
func (d *Daemon) Running() <-chan struct{} { return d.running }

func (d *Daemon) started() { d.startOnce.Do(func() { close(d.running) }) }
func (d *Daemon) drained() { d.emptyOnce.Do(func() { close(d.empty) }) }

// Drain stops accepting, finishes what is in hand and returns when nothing is
// left, or when ctx ends: then all sockets are closed, and what was under way
// stays in the spool. An error says that not all ended in order.
func (d *Daemon) Drain(ctx context.Context) error {
	d.draining.Store(true)
	defer d.handoffs.close()
	defer d.crew.close()
	d.root.Send(d.supervisor, &drain{})
	select {
	case <-d.empty:
		return nil
	case <-ctx.Done():
	}
	d.root.Send(d.supervisor, &abort{})
	select {
	case <-d.empty:
	case <-time.After(abortTimeout):
	}
	return errors.New("drain_timeout has passed: sessions were cut off")
}

// abortTimeout is how long goroutines get to end once their sockets are closed.
const abortTimeout = 3 * time.Second

// Draining reports whether Drain was called.
func (d *Daemon) Draining() bool { return d.draining.Load() }

// Pause stops new deliveries for the rest of this process's life: a poisoned
// spool can record no outcome.
func (d *Daemon) Pause() {
	<-d.running
	d.root.Send(d.queue.Load(), &pause{})
}

// handling is the message that the queue had in hand, zero for none.
func (d *Daemon) handling() spool.ID {
	if id := d.handled.Load(); id != nil {
		return *id
	}
	return spool.ID{}
}

// CheckRoute says what is wrong with where an operator wants mail to go.
func (d *Daemon) CheckRoute(to string) error { return d.setup.Load().router.CheckTarget(to) }

// Inspect runs f on the schedule between two events and waits until it has run
// or ctx ends. f must be quick: nothing is scheduled meanwhile.
func (d *Daemon) Inspect(ctx context.Context, f func(*queue.Core) []queue.Action) error {
	pid := d.queue.Load()
	if pid == nil {
		return errors.New("the queue is not running yet")
	}
	m := &inspect{f: f, done: make(chan struct{})}
	d.root.Send(pid, m)
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quit says QUIT on a connection that is not used any more.
func (d *Daemon) quit(conn *outbound.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), quitTimeout)
	defer cancel()
	conn.Quit(ctx)
}

// quitTimeout bounds the wait for the reply to QUIT: nothing depends on it.
const quitTimeout = 5 * time.Second

// address is a recipient's, for the log.
func (d *Daemon) address(id spool.ID, rcpt int) string {
	env, err := d.spool.Envelope(id)
	if err != nil || rcpt >= len(env.Recipients) {
		return "?"
	}
	return env.Recipients[rcpt].Address
}

// domains are those of a message's recipients.
func (d *Daemon) domains(id spool.ID) []string {
	env, err := d.spool.Envelope(id)
	if err != nil {
		return nil
	}
	domains := make([]string, len(env.Recipients))
	for i := range env.Recipients {
		domains[i] = selector.Domain(env.Recipients[i].Address)
	}
	return domains
}
