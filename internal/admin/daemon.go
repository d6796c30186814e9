// Package admin is the HTTP side of the daemon: metrics, health, the queue API
// and a page for people; and the client of that API for the command line.
//
//	open      /  /metrics  /healthz  /readyz  /api/v1/status     counts, never an address
//	token     /api/v1/…                                          all else
//
// It owns nothing of the relay and asks through one interface, Daemon.
package admin

import (
	"context"

	"mtad/internal/queue"
	"mtad/internal/selector"
	"mtad/spool"
)

// Daemon is the running relay, as far as this package asks it. All methods are
// safe for concurrent use; those with a context give up when it ends.
type Daemon interface {
	// Status counts what is there. It is asked at every scrape.
	Status(ctx context.Context) (Status, error)
	// List returns at most max messages that are meant, in order of arrival, from a
	// cursor on (0: the oldest), and the cursor to go on from, 0 at the end. A page may
	// be short, or empty, before the end: looking takes a bounded time. What arrives
	// or ends between two calls is seen or not.
	List(ctx context.Context, s Slice) (page []Message, next uint64, err error)
	// Show returns one message, or spool.ErrUnknown.
	Show(ctx context.Context, id spool.ID) (Message, error)
	// Hosts returns what is known of hosts that are spoken to.
	Hosts(ctx context.Context) ([]Host, error)
	// Forget ends what is remembered of a host, by name, address, or address and
	// port, and returns how many entries there were.
	Forget(host, who string) int
	// Act does one thing to each message that is meant. Doing it twice is harmless.
	Act(ctx context.Context, o Order) (Result, error)
	// CheckRoute says what is wrong with where mail is to be rerouted.
	CheckRoute(to string) error
	// Lanes returns what waits for what, in order of their names, from behind one on.
	Lanes(ctx context.Context, after string, max int) ([]queue.LaneState, error)
	// Suspensions, Suspend and Resume: what nothing is sent to for a time. Resume
	// reports whether there was one of that scope and pattern.
	Suspensions(ctx context.Context) ([]queue.SuspensionState, error)
	Suspend(ctx context.Context, s queue.Suspension) error
	Resume(ctx context.Context, scope, pattern string) (found bool, err error)
	// Drain begins what TERM begins, and returns at once.
	Drain(who string)
	// Reload does what HUP does and says what it did, one change a line. An error
	// means that the old configuration stays in force; a *config.Errors has all that
	// is wrong with the new one.
	Reload(who string) (outcome string, err error)
	// Ready reports whether new mail is accepted, or why not.
	Ready() (ready bool, reason string)
}

// Verb is what an operator can do to a message.
type Verb string

// The verbs.
const (
	Retry  Verb = "retry"  // try it now
	Freeze Verb = "freeze" // try it no more until it is thawed
	Thaw   Verb = "thaw"
	Remove Verb = "remove" // discard what is not yet delivered; nobody is told
	Bounce Verb = "bounce" // give up what is not yet delivered; its sender is told

	Reroute Verb = "reroute" // send what is not yet delivered elsewhere
)

// Verbs is all of them.
var Verbs = []Verb{Retry, Freeze, Thaw, Remove, Bounce, Reroute}

// Slice is a part of the queue.
type Slice struct {
	Select *selector.Selector
	From   uint64 // a cursor; 0 is the oldest message
	Max    int    // messages: for List those that are meant, for Act those that are looked at; 0 is no limit
}

// Order is what an operator wants done.
type Order struct {
	Verb Verb
	Slice
	DryRun bool   // only count
	Reason string // why; of a bounce, what its sender is told
	By     string // who, and why: as it stands in the log
	To     string // reroute: router=NAME, hosts=LIST; "" is where the routers say
}

// Status is what the open part shows: counts, no addresses.
type Status struct {
	Queue           queue.Gauges
	SpoolBytes      int64 // on disk
	HostsRemembered int   // hosts that do not carry on after TLS is shut down
}

// Message is one message as spool and schedule know it.
type Message struct {
	Envelope *spool.Envelope
	Summary  queue.Summary
	Meant    []int // recipients that were selected; nil for all
}

// Host is what the schedule knows of one address of one next hop.
type Host struct {
	Name        string `json:"name"`
	Address     string `json:"address"`             // with port
	Transport   string `json:"transport,omitempty"` // whose windows and troubles these are; "": of all
	Site        string `json:"site,omitempty"`      // of the configuration
	Connections int    `json:"connections"`
	Window      int    `json:"window"`             // connections it may have now
	RetryAt     string `json:"retry_at,omitempty"` // RFC 3339
	Error       string `json:"error,omitempty"`
	Remembered  string `json:"remembered,omitempty"` // what was learnt of it
}

// Result is what became of an Act.
type Result struct {
	Matched    int               `json:"matched"`          // messages that are meant
	Recipients int               `json:"recipients"`       // theirs, as far as they are meant
	Done       int               `json:"done"`             // messages; 0 in a dry run
	Failed     map[string]string `json:"failed,omitempty"` // id → why
	Examined   int               `json:"examined"`         // messages that were looked at
	Next       uint64            `json:"next,omitempty"`   // not 0: there was no time for all; go on from there
}
