// Package outbound is one SMTP (or LMTP) session as client over a tlsstate
// socket: dial, session, transaction, fate.
package outbound

import (
	"crypto/tls"
	"net/netip"
	"time"

	"mtad/internal/smtp"
	"mtad/spool"
	"mtad/tlsstate"
)

// Target is the server to speak to.
type Target struct {
	Name string // host name for logs, SNI and verification; an address where it was given as one
	Addr netip.AddrPort
	IP   string // "192.0.2.9"
}

// Settings is what one transport asks of a session, evaluated for one host.
// Immutable; shared between sessions.
type Settings struct {
	Transport      string
	LMTP           bool
	Helo           string // EHLO argument
	Interface      string // local address to bind to; "" is any
	MaxRcpt        int    // recipients in one transaction [100]
	ConnectTimeout time.Duration
	CommandTimeout time.Duration
	DataTimeout    time.Duration // for each block of the message
	FinalTimeout   time.Duration // for the reply to the final dot
	HandoffTimeout time.Duration // for the reply to EHLO after TLS was shut down
	TLS            TLS
	Auth           Auth

	transcript *transcript // nil: nobody listens
}

// TLS is what a transport wants of TLS with one host.
type TLS struct {
	Avoid    string // the item of hosts_avoid_tls that the host is; "" where it is none
	Require  string // the same of hosts_require_tls
	TryClear bool   // tls_tempfail_tryclear
	// Client makes the configuration of a handshake with that host; verified says
	// that one that succeeds has verified the server. It is asked just before
	// STARTTLS. nil: TLS is not tried.
	Client func(Target) (cfg *tls.Config, verified bool, err error)
}

// Conn is a connection between two messages: the socket, what EHLO said, and
// whether the last transaction ended cleanly. It has one owner and moves by
// construction: who gives it on forgets it first.
type Conn struct {
	Socket        *tlsstate.Socket
	Target        Target
	Lane          string     // whose messages it may carry
	Extensions    Extensions // from the last EHLO
	Clean         bool       // false: RSET before MAIL
	Messages      int        // sent on this connection
	HandedOn      bool       // at least one hand-over lies behind it: log lines bear a *
	Verified      bool       // in TLS: the server's certificate was verified
	Certificate   bool       // in TLS: we have one for a server that asks
	Authenticator string     // that the session was authenticated by; "" where it was not
	Anonymous     string     // why it is not authenticated though it was tried; "" where it was not, or is
	Clear         string     // why it is in clear though TLS was wanted; "" where it was not, or is on
	Settings      *Settings  // what it was opened, or last taken over, with

	transcript *transcript // nil: nobody listens

	failed bool // lost, or out of step: good for nothing but Abort
}

// Extensions is what EHLO said.
type Extensions = smtp.Extensions

// Message is what a transaction sends. Body is released by its owner, not here.
type Message struct {
	Envelope *spool.Envelope
	Rcpts    []int // indexes into Envelope.Recipients
	Body     *spool.Body
}

// Kind is what became of one recipient in an attempt.
type Kind uint8

const (
	Delivered Kind = iota
	Deferred
	Failed
)

// Scope says how far a fault reaches: the smallest thing that has to change
// before trying again makes sense.
type Scope uint8

const (
	ScopeNone      Scope = iota // no fault
	ScopeRecipient              // this RCPT
	ScopeMessage                // this message at this host
	ScopeHost                   // this host: the next one may do
	ScopeSession                // this connection only: a new one to the same host may do
)

// Fate is what became of one recipient.
type Fate struct {
	Rcpt  int
	Kind  Kind
	Scope Scope
	Reply string // the server's last line that decided it, sanitised, for C= or the error
	Error string // as the log says it: `SMTP error from remote mailer after RCPT TO:<e@z.example>: host mx.z.example [192.0.2.8]: 550 no such user`
	Code  int    // Exim's number in "defer (-38)"; 0 where there is none
	ErrNo string // error kind for retry rules: as Fault.Kind; "rcpt_452 quota" is of both kinds
}

// Result is how an attempt ended.
type Result struct {
	// Fates of recipients that were decided and not yet recorded. Every one of
	// Message.Rcpts appears exactly once over all record calls and this, but for
	// those that Again is about.
	Fates []Fate
	// Fault is the session's or the host's trouble where there was one (nil: none).
	// One of ScopeHost decided nothing: all Fates beside it derive from it, and
	// the next host may be tried in place of recording them.
	Fault *Fault
	// Again: nobody is to blame and nothing was decided about the recipients that
	// are not recorded yet; they go on a new connection at once. A handed-on
	// connection broke before MAIL was answered (SPEC H3), or the connection
	// ended between two transactions of the message, or ctx ended (Fault.Kind
	// "shutdown"). Fates is empty, and Fault (of ScopeSession) says why.
	Again bool
}
