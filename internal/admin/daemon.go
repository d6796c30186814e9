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
	"mtad/spool"
)

// Daemon is the running relay, as far as this package asks it. All methods are
// safe for concurrent use; those with a context give up when it ends.
type Daemon interface {
	// Status counts what is there. It is asked at every scrape.
	Status(ctx context.Context) (Status, error)
	// List returns at most max messages in order of arrival, from a cursor on (0:
	// the oldest), and the cursor of what follows, 0 at the end. What arrives or
	// ends between two calls is seen or not.
	List(ctx context.Context, from uint64, max int) (page []Message, next uint64, err error)
	// Show returns one message, or spool.ErrUnknown.
	Show(ctx context.Context, id spool.ID) (Message, error)
	// Hosts returns what is known of hosts that are spoken to.
	Hosts(ctx context.Context) ([]Host, error)
	// Forget ends what is remembered of a host, by name, address, or address and
	// port, and returns how many entries there were.
	Forget(host, who string) int
	// Act does one thing to each of these messages. Doing it twice is harmless.
	Act(ctx context.Context, verb Verb, ids []spool.ID, who string) (Result, error)
	// Drain begins what TERM begins, and returns at once.
	Drain(who string)
	// Reload does what HUP does and says in one sentence what it did.
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
)

// Verbs is all of them.
var Verbs = []Verb{Retry, Freeze, Thaw, Remove}

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
}

// Host is what the schedule knows of one address of one next hop.
type Host struct {
	Name        string `json:"name"`
	Address     string `json:"address"`             // with port
	Transport   string `json:"transport,omitempty"` // whose windows and troubles these are; "": of all
	Connections int    `json:"connections"`
	Window      int    `json:"window"`             // connections it may have now
	RetryAt     string `json:"retry_at,omitempty"` // RFC 3339
	Error       string `json:"error,omitempty"`
	Remembered  string `json:"remembered,omitempty"` // what was learnt of it
}

// Result is what became of an Act.
type Result struct {
	Done   int               `json:"done"`
	Failed map[string]string `json:"failed,omitempty"` // id → why
}
