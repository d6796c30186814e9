package spool

import (
	"net/netip"
	"time"
)

// ID is a message id of Exim's 16 characters, 6-6-2 in base 62: seconds since
// the epoch, a counter kept in the spool, a fraction of the second. An id is
// given out once in the life of a spool, across restarts and crashes.
type ID [16]byte

// String returns the id as it stands in logs, Received: headers and replies.
func (id ID) String() string { return string(id[:]) }

// IsZero reports whether id was never given out.
func (id ID) IsZero() bool { return id == ID{} }

// Envelope is what is known of a message besides its bytes. One that came out
// of the spool belongs to the caller; changing it changes nothing on disk.
type Envelope struct {
	ID       ID
	Received time.Time // when the message was committed

	// From MAIL and RCPT.
	Sender     string // reverse-path without brackets; "" is the null sender
	Recipients []Recipient
	EnvID      string // ENVID=, still in xtext (RFC 3461 4.4)
	Ret        Ret    // RET= (RFC 3461 4.3)
	EightBit   bool   // BODY=8BITMIME was given, or a byte over 127 was seen

	// The message itself.
	Size     int64 // bytes as the next hop counts them (RFC 1870): added header + body, without dot-stuffing
	WireSize int64 // bytes as kept: added header + body, dot-stuffed, ending in CRLF, without the final dot

	// Where it came from, for logs, "queue show" and bounces.
	ClientAddr netip.AddrPort
	ClientName string // confirmed host name, "" when none was looked up
	Helo       string // as the client gave it, bounded, control bytes taken out
	Protocol   string // smtp, esmtp, esmtps, esmtpa, esmtpsa; "local" for a bounce of our own
	AuthID     string
	MessageID  string // the Message-ID: header without brackets, for id= in the log

	Frozen bool // set by an operator, or by a fault that wants one; nothing is tried
	Warned int  // delay warnings its sender has had
}

// Recipient is one RCPT of a message and what became of it so far.
type Recipient struct {
	Address string // local@domain as received, domain folded to lower case
	Notify  Notify // NOTIFY= (RFC 3461 4.1)
	Orcpt   string // ORCPT=, still in xtext, with its type

	Route string // where an operator has sent it, as he said; "": where the routers say

	State     State
	Attempts  int       // delivery attempts that ended in an outcome
	FirstFail time.Time // first deferral; zero when none
	LastTry   time.Time // last deferral or the final outcome; zero when none
	LastError string    // sanitised, at most 1 KB; with the host it came from
}

// Ret says what a bounce returns of the message.
type Ret uint8

const (
	RetUnset Ret = iota
	RetFull
	RetHdrs
)

// Notify is the set of events a sender asked to hear of.
type Notify uint8

const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// State says where a recipient is in its life.
// Pending -> Delivered | Failed | Discarded; Failed -> Bounced | Discarded | Pending (an operator's retry).
type State uint8

const (
	Pending   State = iota // to be delivered, tried or not
	Delivered              // the next hop answered 2xx: final
	Failed                 // refused for good or expired; kept until its sender is told
	Bounced                // refused for good; a bounce that says so is in the spool, unless its sender wanted none: final
	Discarded              // by an administrator, by name: final
)

// Final reports whether nothing remains to be done for a recipient in this state.
func (s State) Final() bool { return s == Delivered || s == Bounced || s == Discarded }

// Outcome is the new state of one recipient. Outcomes are absolute, never
// increments, so that applying one twice is harmless.
type Outcome struct {
	ID        ID
	Rcpt      int // index into Envelope.Recipients
	State     State
	Attempts  int
	FirstFail time.Time
	At        time.Time
	Error     string // sanitised and bounded by Commit to 1 KB; "" on success
}

// Freeze sets or clears a message's frozen mark.
type Freeze struct {
	ID     ID
	Frozen bool
}

// Warned is how many times a message's sender has been told of its delay. It is
// absolute; more than 255 count as 255.
type Warned struct {
	ID    ID
	Count int
}

// Reroute is where one recipient goes from now on, whatever the routers say: 1 KB at
// most, in words that the spool does not read. An empty To is the routers' again.
type Reroute struct {
	ID   ID
	Rcpt int // index into Envelope.Recipients
	To   string
}

// HostFact is something learnt of a remote host that has to survive a restart.
// Key is chosen by the queue (name, address and port); Value is its own
// encoding, at most 1 KB. An empty Value forgets the key.
type HostFact struct {
	Key   string
	Value []byte
}

// Batch is one atomic step: after a crash all of it is there or none of it.
// A bounce and the failures it reports are one Batch.
type Batch struct {
	New      []*Draft
	Outcomes []Outcome
	Freezes  []Freeze
	Warned   []Warned
	Reroutes []Reroute
	Hosts    []HostFact
}
