package queue

import (
	"maps"
	"slices"
	"time"

	"mtad/spool"
)

// Settings of a core. Limits, Site, Rules and Address are called from within the
// core's methods: they must be quick and must not call back.
type Settings struct {
	Epoch             Epoch
	RemoteMaxParallel int // connections in all [200]
	Limits            func(transport string) Limits
	Site              func(HostAddr) *Site // nil: none; asked once for each host
	Rules             Rules
	// Address returns a recipient's address, from the spool's index. It is asked
	// when a due time is computed: a million waiting messages need not keep
	// theirs a second time. "" is no harm: the rules for all domains apply.
	Address func(id spool.ID, rcpt int) string
	// Domains returns the domains of all recipients of a message, lower case. It is asked
	// while a domain is suspended.
	Domains func(id spool.ID) []string

	IgnoreBounceErrorsAfter time.Duration   // ignore_bounce_errors_after
	DelayWarning            []time.Duration // delay_warning, ascending; none: nobody is warned

	MaxReports int           // Bounce and Warn actions outstanding at a time [16]
	MaxRouting int           // Route actions outstanding at a time, those not counted that are Behind another [256]
	Share      int           // messages a connection carries while other lanes wait for one [50]
	ShareTime  time.Duration // or the time it is kept then [5s]
}

func (s *Settings) setDefaults() {
	if s.RemoteMaxParallel <= 0 {
		s.RemoteMaxParallel = 200
	}
	if s.MaxRouting <= 0 {
		s.MaxRouting = 256
	}
	if s.MaxReports <= 0 {
		s.MaxReports = 16
	}
	if s.Share <= 0 {
		s.Share = 50
	}
	if s.ShareTime <= 0 {
		s.ShareTime = 5 * time.Second
	}
	if s.Limits == nil || s.Rules == nil {
		panic("BUG: queue.Settings without Limits or Rules")
	}
	if s.Site == nil {
		s.Site = func(HostAddr) *Site { return nil }
	}
	if s.Address == nil {
		s.Address = func(spool.ID, int) string { return "" }
	}
	if s.Domains == nil {
		s.Domains = func(spool.ID) []string { return nil }
	}
}

// Core is the schedule. Not safe for concurrent use: its owner is the queue actor.
// The slice of actions that a method returns is valid until the next call.
type Core struct {
	set Settings
	out []Action // what the present call wants done

	// The clock: nanoseconds that never run backwards, see advance.
	ns   int64
	wall time.Time

	// Every message that is not final.
	messages map[spool.ID]*message
	arrivals arrivals
	stale    []*lane     // whose hosts have to be asked for again
	unrouted line        // ready items without a lane
	asked    int         // Route actions without an answer
	behind   int         // those of them that wait for the look-up of another
	deferred heap[*item] // by due time
	alarms   heap[*alarm]

	lanes map[string]*lane
	hosts map[hostKey]*host
	sites map[string]*site
	ring  ring // lanes that want a connection, in turn

	// Connections: each holds one credit of RemoteMaxParallel.
	deliveries   map[DeliveryID]*delivery
	lastDelivery DeliveryID
	idle         []*delivery // those that linger

	started  bool
	draining bool
	inFlight map[DeliveryID]Job // from an earlier epoch, until Start

	// Completed messages whose Arrived may still be on its way after a start.
	finishedEarly map[spool.ID]struct{}
	startedAt     int64
	restored      uint64 // arrivals up to this one came before Start

	sentences map[sentence]string // the word about recipients that a delivery still has
	susp      suspended
	moving    moving     // behind a change of the configuration
	kinds     []string   // error kinds by the number that items keep
	again     []deferral // used by apply

	tell  tellings
	tally tally
}

// New returns an empty schedule. Restore, InFlight and Start follow.
func New(set Settings) *Core {
	set.setDefaults()
	return &Core{
		set:           set,
		messages:      make(map[spool.ID]*message),
		lanes:         make(map[string]*lane),
		hosts:         make(map[hostKey]*host),
		sites:         make(map[string]*site),
		deliveries:    make(map[DeliveryID]*delivery),
		inFlight:      make(map[DeliveryID]Job),
		finishedEarly: make(map[spool.ID]struct{}),
		sentences:     make(map[sentence]string),
		kinds:         []string{""},
		lastDelivery:  DeliveryID(set.Epoch) << 40, // no id of an earlier epoch comes again
		tell:          tellings{bounced: make(map[spool.ID][]int), alarms: make(map[*message]*failure)},
		tally:         tally{connections: make(map[string]int)},
	}
}

// begin opens a call: it takes in the time and forgets the last call's actions.
func (c *Core) begin(now time.Time) {
	clear(c.out)
	c.out = c.out[:0]
	c.susp.parkedNow = 0
	c.advance(now)
}

// advance moves the core's own clock by what has passed since the last call, as
// the monotonic clock says where now carries it. A wall clock that is set back
// makes nothing wait longer than its rule says, one that is set forward (and
// back again) makes nothing expire.
func (c *Core) advance(now time.Time) {
	if c.wall.IsZero() {
		c.ns = now.UnixNano()
	} else if d := now.Sub(c.wall); d > 0 {
		c.ns += int64(d)
	}
	c.wall = now
}

// now is the core's own time.
func (c *Core) now() time.Time { return time.Unix(0, c.ns) }

// fromNow turns a time of the core's clock into one of the caller's.
func (c *Core) fromNow(ns int64) time.Time { return c.wall.Add(time.Duration(ns - c.ns)) }

func (c *Core) emit(a Action) { c.out = append(c.out, a) }

// end closes a call: free credits find work, senders are told, and the actions go out.
func (c *Core) end() []Action {
	c.dispatch()
	c.tellSenders()
	return c.out
}

// Restore takes in one message of the start scan. Nothing is scheduled before Start.
func (c *Core) Restore(now time.Time, env *spool.Envelope) {
	c.advance(now)
	c.admit(env)
}

// Over calls f, after Restore, with each message that a core which died held and that
// ended before it could say so. died may be nil.
func (c *Core) Over(died *Core, f func(id spool.ID)) {
	if died == nil {
		return
	}
	for id := range died.messages {
		if c.messages[id] == nil {
			f(id)
		}
	}
}

// InFlight takes in the jobs that deliveries still hold from an earlier epoch.
// It may come before or after Restore; what they hold is not scheduled again.
func (c *Core) InFlight(now time.Time, jobs []Job) {
	c.advance(now)
	for _, j := range jobs {
		c.inFlight[j.Delivery] = j
	}
}

// Start begins to schedule. Call it once, when all is restored.
func (c *Core) Start(now time.Time) []Action {
	c.begin(now)
	for _, id := range slices.Sorted(maps.Keys(c.inFlight)) {
		c.adopt(c.inFlight[id])
	}
	clear(c.inFlight)
	c.started = true
	c.startedAt = c.ns
	c.restored = c.arrivals.last
	return c.end()
}

// Arrived takes in a message that is on stable storage. It keeps what it needs of
// the envelope, not the envelope. A message known already is no harm.
func (c *Core) Arrived(now time.Time, env *spool.Envelope) []Action {
	c.begin(now)
	if c.ns-c.startedAt > int64(10*time.Minute) {
		clear(c.finishedEarly)
	}
	if _, over := c.finishedEarly[env.ID]; !over {
		c.admit(env)
	}
	return c.end()
}

// Tick does what time has brought: due messages, lingers that end, rates.
func (c *Core) Tick(now time.Time) []Action {
	c.begin(now)
	if c.started && !c.draining {
		c.ringAlarms()
		c.takeDue()
	}
	return c.end()
}

// dueSlice bounds the due messages one Tick takes; NextWake is at once then.
const dueSlice = 1000

func (c *Core) takeDue() {
	for range dueSlice {
		if len(c.deferred) == 0 || c.deferred[0].due > c.ns {
			return
		}
		c.comeDue(c.deferred[0])
	}
}

// NextWake says when Tick wants to be called; zero: not until something happens.
func (c *Core) NextWake() time.Time {
	if !c.started || c.draining {
		return time.Time{}
	}
	next := int64(0)
	if len(c.deferred) > 0 {
		next = c.deferred[0].due
	}
	if len(c.alarms) > 0 && (next == 0 || c.alarms[0].at < next) {
		next = c.alarms[0].at
	}
	if next == 0 {
		return time.Time{}
	}
	return c.fromNow(max(next, c.ns))
}

// Drain gives out no new jobs from now on; every Finished is answered by Hangup,
// and connections that linger are hung up.
func (c *Core) Drain(now time.Time) []Action {
	c.begin(now)
	c.draining = true
	for len(c.idle) > 0 {
		c.hangup(c.idle[len(c.idle)-1])
	}
	return c.end()
}
