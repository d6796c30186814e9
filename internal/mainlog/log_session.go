package mainlog

import (
	"strings"
	"time"
)

// What happened on an incoming connection: one function an event. Strangers
// cause these lines, so each is held to a rate (flood.go).

// Rejected says that something was refused by policy: mainlog and rejectlog.
func (l *Log) Rejected(r Rejection) {
	n := l.beginFlood(floodReject, "rejected", r.ID)
	if n == nil {
		return
	}
	n.client(" H=", r.Client)
	n.fact("stage", string(r.Stage))
	switch r.Stage {
	case StageMail:
		n.lit(" rejected MAIL")
		n.bracketed(" ", "sender", r.Sender)
	case StageRcpt:
		n.bracketed(" F=", "sender", r.Sender)
		n.lit(" rejected RCPT")
		n.bracketed(" ", "recipient", r.Recipient)
	case StageData, StageAfterData:
		n.bracketed(" F=", "sender", r.Sender)
		n.lit(" rejected ")
		n.lit(string(r.Stage))
	default:
		n.lit(" rejected ")
		n.lit(string(r.Stage))
	}
	n.text(": ", "reason", r.Text)
	n.end(toReject)
}

// ConnectionRefused says that a connection was turned away at the door: too
// many, or a host in host_reject.
func (l *Log) ConnectionRefused(c Client, reason string) {
	n := l.beginFlood(floodRefused, "connection_refused", ID{})
	if n == nil {
		return
	}
	n.client(" Connection from ", c)
	n.text(" refused: ", "reason", reason)
	n.end(toReject)
}

// ConnectionLost says that a connection ended without QUIT or was too slow.
func (l *Log) ConnectionLost(e Lost) {
	n := l.beginFlood(floodLost, "connection_lost", ID{})
	if n == nil {
		return
	}
	inData := e.Stage == StageData || e.Stage == StageAfterData
	switch {
	case e.Timeout && inData:
		n.client(" SMTP data timeout (message abandoned) on connection from ", e.Client)
	case e.Timeout:
		n.client(" SMTP command timeout on connection from ", e.Client)
	case inData:
		n.client(" SMTP connection from ", e.Client)
		n.lit(" lost while reading message data")
	default:
		n.client(" SMTP connection from ", e.Client)
		n.lit(" lost")
	}
	n.fact("stage", string(e.Stage))
	if inData {
		n.bracketed(" F=", "sender", e.Sender)
	}
	if e.Timeout {
		n.fact("cause", "timeout")
	} else {
		n.fact("cause", "closed")
	}
	n.duration(" D=", "seconds", e.After)
	n.end(toMain)
}

// Dropped says that we closed a connection in mid-session: too many errors,
// bytes where none may be. last is the command that did it, "" for none; what
// follows AUTH is never shown.
func (l *Log) Dropped(c Client, reason, last string) {
	n := l.beginFlood(floodDropped, "connection_dropped", ID{})
	if n == nil {
		return
	}
	n.client(" SMTP call from ", c)
	n.text(" dropped: ", "reason", reason)
	if last != "" {
		n.lit(" (last command was ")
		n.quoted("", "last_command", hideSecret(last))
		n.lit(")")
	}
	n.end(toReject)
}

// hideSecret cuts off what follows AUTH, at the beginning of whatever line: it
// may hold a password.
func hideSecret(input string) string {
	for at := 0; at+len("AUTH") <= len(input); {
		if end := at + len("AUTH"); strings.EqualFold(input[at:end], "AUTH") {
			return input[:end]
		}
		i := strings.IndexByte(input[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return input
}

// SyncError says that a client spoke before it was its turn. input is what it
// sent, "" where it may hold a secret.
func (l *Log) SyncError(c Client, where, input string) {
	n := l.beginFlood(floodDropped, "synchronization_error", ID{})
	if n == nil {
		return
	}
	n.text(" SMTP protocol synchronization error (", "where", where)
	n.client("): rejected connection from H=", c)
	n.quoted(" input=", "input", hideSecret(input))
	n.end(toReject)
}

// TLSFailed says that a client's TLS session could not be started or broke, why, and how long it took.
func (l *Log) TLSFailed(c Client, reason string, took time.Duration) {
	n := l.beginFlood(floodTLS, "tls_failed", ID{})
	if n == nil {
		return
	}
	n.client(" TLS error on connection from ", c)
	n.duration(" D=", "seconds", took)
	n.text(": ", "reason", reason)
	n.end(toMain)
}

// AuthFailed says that an AUTH was refused.
func (l *Log) AuthFailed(f AuthFailure) {
	n := l.beginFlood(floodAuth, "auth_failed", ID{})
	if n == nil {
		return
	}
	n.word(" ", "authenticator", f.Authenticator)
	n.client(" authenticator failed for ", f.Client)
	n.text(": ", "reason", f.Text)
	if f.User != "" {
		n.quoted(" set_id=", "user", f.User)
	}
	n.end(toReject)
}

// NoHostName says that a client's address has no name that is confirmed forwards.
func (l *Log) NoHostName(c Client) {
	n := l.beginFlood(floodName, "no_host_name", ID{})
	if n == nil {
		return
	}
	n.lit(" no host name found for IP address ")
	n.addr("client_address", c.Addr)
	n.end(toMain)
}
