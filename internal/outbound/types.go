// Package outbound is one SMTP (or LMTP) session as client over a tlsstate
// socket: dial, session, transaction, fate.
package outbound

import (
	"time"

	"mtad/spool"
	"mtad/tlsstate"
)

// Target is the server to speak to.
type Target struct {
	Name string // host name for logs, SNI and verification; an address where it was given as one
	Addr string // "192.0.2.9:25"
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
}

// Conn is a connection between two messages: the socket, what EHLO said, and
// whether the last transaction ended cleanly. It has one owner and moves by
// construction: who gives it on forgets it first.
type Conn struct {
	Socket     *tlsstate.Socket
	Target     Target
	Lane       string     // whose messages it may carry
	Extensions Extensions // from the last EHLO
	Clean      bool       // false: RSET before MAIL
	Messages   int        // sent on this connection
	HandedOn   bool       // at least one hand-over lies behind it: log lines bear a *
}

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
	Rcpt   int
	Kind   Kind
	Scope  Scope
	Reply  string // the server's last line that decided it, sanitised, for C= or the error
	Error  string // as the log says it: `SMTP error from remote mailer after RCPT TO:<e@z.example>: host mx.z.example [192.0.2.8]: 550 no such user`
	Code   int    // Exim's number in "defer (-38)"; 0 where there is none
	ErrNo  string // error kind for retry rules: "connect", "timeout", "tls", "auth", "rcpt_4xx", "data_4xx", "mail_4xx", "lost_connection", "refused"
}

// Result is how an attempt ended.
type Result struct {
	Fates []Fate // of recipients that were decided and not yet recorded; every one of Message.Rcpts appears exactly once over all Record calls and this
	// Fault is the session's or the host's trouble where there was one (nil: none). Fates of undecided recipients derive from it.
	Fault *Fault
	// Again: a handed-on connection broke before MAIL was answered; nothing was decided (SPEC H3).
	Again bool
}

// The contract, as actors uses it. All calls block; ctx ends them early by closing the socket.
//
//	Dial(ctx, Target, *Settings) (*Conn, *Fault)         TCP, greeting, EHLO (HELO where that is refused; LHLO for LMTP)
//	Deliver(ctx, *Conn, *Settings, *Message, record func([]Fate) error) Result
//	                                                       all transactions of the message on this connection, max_rcpt each; record is called after
//	                                                       each transaction but the last, before the next begins; conn stays usable if conn.Usable()
//	(*Conn) Usable() bool       in order: may carry another message (RSET first where !Clean)
//	(*Conn) Quit(ctx)           QUIT, wait a moment for the reply, close. (*Conn) Abort(): close at once
