package queue

import (
	"net/netip"
	"time"

	"mtad/spool"
)

// HostAddr is one address of one next hop: what a connection is made to and
// what windows, rates and retry times are kept for.
type HostAddr struct {
	Name string // as configured or from the MX; equals Addr's text where the host was given as an address
	Addr netip.AddrPort
}

// Destination is where one group of a message's recipients goes: the answer of
// routing. Two destinations with equal Lane are the same lane.
type Destination struct {
	Router    string
	Transport string
	// Lane is the key of the lane: transport, next hops with port, and every
	// TLS and AUTH need that may not be mixed on one connection.
	Lane       string
	DNS        bool       // names were looked up: they are asked for again at each attempt
	Hosts      []HostAddr // in the order to try; fallback_hosts last
	Recipients []int      // indexes into the envelope's recipients, ascending
}

// RouteFault is why some recipients have no destination (yet).
type RouteFault struct {
	Recipients []int
	Permanent  bool   // no route: refused; otherwise asked again at the retry time
	Text       string // for the log and the bounce
	Router     string // "" when none took it
}

// Limits of one transport, as the configuration gives them.
type Limits struct {
	MaxConnections int           // a host [20]
	BatchMax       int           // messages on one connection [500]
	Linger         time.Duration // connection_linger [1s; 0 is off]
	MaxRate        float64       // messages a second and host; 0 is no limit
	MaxTry         int           // hosts tried in one attempt, hosts_max_try; 0 is no limit
}

// Rules answers when to try again. Implemented by internal/route from [[retry]].
type Rules interface {
	// Next returns the time of the next attempt after a deferral at now, for an
	// address that first failed at firstFail, or ok=false when the last cutoff
	// of the rule has passed: the address then has failed for good.
	// domain is the recipient's, kind the error's ("connect", "timeout", "rcpt_4xx" ...).
	Next(domain, address, kind string, firstFail, lastTry, now time.Time, attempts int) (next time.Time, ok bool)
}

// Epoch counts the lives of the queue. A job carries the epoch it was given out in.
type Epoch uint64

// DeliveryID names a delivery (a connection in use and the chain of delivery actors
// on it). The queue gives it out with StartDelivery; it stays the same over Next, so
// that Lost can name what was last given.
type DeliveryID uint64

// Job is one message to one host address: the unit of work of a delivery actor.
type Job struct {
	Delivery  DeliveryID
	Epoch     Epoch
	Message   spool.ID
	Router    string
	Transport string
	Lane      string
	Host      HostAddr
	Rcpts     []int // indexes into the envelope's recipients, still pending
	// LastHost is true where no other host of the lane is left for this message:
	// then a failure of the host is the message's deferral. The delivery
	// records nothing for a failed host otherwise.
	LastHost bool
}

// HostResult says what an attempt taught of the host, apart from the message.
type HostResult uint8

const (
	HostOK      HostResult = iota // greeted and took commands; whatever the message's fate
	HostUntried                   // nothing was learnt (drain, our own fault, a handed-on connection that broke)
	HostFailed                    // no connection, greeting refused, TLS or AUTH could not be had: next host, or defer
	HostBusy                      // 421 or a "too many connections": as HostFailed, and shrink the window
)

// Report is how a job ended. The outcomes it names are on stable storage already.
type Report struct {
	Delivery DeliveryID
	Epoch    Epoch
	Message  spool.ID
	Host     HostResult
	Kind     string          // error kind for the retry rules where Host is not OK: "connect", "timeout", "tls", "auth", "refused" …
	Error    string          // for queue show, sanitised: "H=mx [192.0.2.9]: Connection refused"
	Outcomes []spool.Outcome // one for each recipient whose fate was decided now, deferred ones included (State Pending)
	// Again is true where the attempt decided nothing about the message (a connection
	// that was handed on and broke before MAIL was answered): it goes again at
	// once, at the head of its lane, on a new connection.
	Again bool
	// Open is true where the connection can carry another message.
	Open bool
}

// Action is what the core wants done. One of the types below.
type Action interface{ action() }

type (
	// Route asks for the destinations of these recipients; the answer is Core.Routed.
	Route struct {
		Message spool.ID
		Rcpts   []int
	}
	// StartDelivery asks for a new delivery on a new connection.
	StartDelivery struct{ Job Job }
	// Next gives a delivery that asked (Finished) or waits (Wait) its next job.
	Next struct{ Job Job }
	// Wait answers Finished: keep the connection, say nothing; Next or Hangup follows.
	Wait struct{ Delivery DeliveryID }
	// Hangup answers Finished or ends a Wait: QUIT and close. The credit is back already.
	Hangup struct{ Delivery DeliveryID }
	// Record asks for a commit; what it holds counts as done for the core.
	Record struct{ Batch spool.Batch }
	// Completed says that nothing of the message remains.
	Completed struct {
		Message  spool.ID
		Received time.Time
	}
	// GaveUp says that a recipient has failed for good without a reply that said so
	// (retry time-out): to be logged as **. Its Record is a separate action.
	GaveUp struct {
		Message   spool.ID
		Rcpt      int
		Router    string
		Transport string // "" where there was none to take it
		Text      string
	}
	// Deferred says that routing deferred these recipients: to be logged as ==.
	Deferred struct {
		Message   spool.ID
		Rcpts     []int
		Router    string
		Transport string // "" where routing itself has to wait
		Code      int    // Exim's number in "defer (-53)"; 0 where there is none
		Text      string
		Next      time.Time
	}
	// Resumed says that the time of a suspension is over: for the log.
	Resumed struct{ Suspension Suspension }
	// Frozen says that the core froze a message by itself: for the panic log. Its
	// Record is a separate action.
	Frozen struct {
		Message spool.ID
		Text    string
	}
)

func (Route) action()         {}
func (StartDelivery) action() {}
func (Next) action()          {}
func (Wait) action()          {}
func (Hangup) action()        {}
func (Record) action()        {}
func (Completed) action()     {}
func (GaveUp) action()        {}
func (Deferred) action()      {}
func (Frozen) action()        {}
func (Resumed) action()       {}

// Gauges are the counts metrics show. Precedence: active > ready > deferred > frozen.
type Gauges struct {
	Ready, Active, Deferred, Frozen int // messages
	Recipients                      int // not final
	Oldest                          time.Time
	Connections                     map[string]int // open connections by transport
	Lanes, Hosts                    int
	Suspensions                     int
}

// Summary is one message for "queue list" and "queue show": what the schedule knows
// and the envelope does not.
type Summary struct {
	Message spool.ID
	State   string    // "ready", "active", "deferred", "frozen"
	Due     time.Time // zero unless deferred
	Why     string    // one line: what it waits for
	Rule    string    // the retry rule that decided when
	Hosts   string    // where its first recipients are bound, "" while that is not known
}

// The contract of *Core, as actors uses it. Single-threaded; no I/O; time is an argument; actions are
// returned in the order in which they must be done (the returned slice is reused by the next call).
//
//	New(cfg Settings) *Core            Settings{Epoch; RemoteMaxParallel int; Limits func(transport string) Limits; Rules Rules; ...}
//	Restore(now, *spool.Envelope)      one message of the start scan (or of a restart of the queue actor); nothing is scheduled before Start
//	InFlight(now, []Job)               jobs that deliveries still hold from an earlier epoch: these are active, not scheduled again
//	Start(now) []Action
//	Arrived(now, *spool.Envelope) []Action     keeps what it needs of the envelope, not the envelope
//	Routed(now, id, []Destination, []RouteFault) []Action
//	Behind(now, id, rcpts) []Action    a Route that costs no look-up of its own: the answer is still Routed
//	Finished(now, Report) []Action             exactly one of Next/Wait/Hangup for that delivery among them
//	Lost(now, DeliveryID) []Action             the delivery is dead; what it last was given goes again (at its place); a message lost twice running is frozen
//	Tick(now) []Action                         due messages, lingers that end, rates
//	NextWake() time.Time                       when Tick wants to be called; zero: not until something happens
//	Bounced(now, id, done), Warned(now) []Action   what a Bounce or a Warn came to
//	Freeze/Thaw/Retry(now, id), Remove/Bounce/Reroute(now, id, rcpts, ...)      an operator's hand; an unknown id is no harm
//	Suspend(now, Suspension), Resume(now, scope, pattern)   nothing new is begun of what they name
//	Reconfigure(now, Settings) []Action        another configuration: all that waits is routed anew
//	Drain(now) []Action                        no new jobs; every Finished is answered Hangup; waiting ones are hung up now
//	Gauges() Gauges; Summary(id) (Summary, bool); Scan(from, max, func(Glance)) (next uint64): in order of arrival, a slice at a time
