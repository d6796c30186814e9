// Package mainlog is what we tell the operator: one function an event, in
// Exim's format or as JSON; an own writer with a bounded buffer, so that a full
// log disk blocks nobody.
//
//	an event (log_mail.go, log_session.go, log_daemon.go)
//	   │  says its facts to a line, which writes them in the log's format
//	   ▼
//	line (line.go): pooled; every value passes escape.go on its way in
//	   ▼
//	sink (sink.go): bounded buffer ──▶ its writer goroutine ──▶ mainlog, rejectlog, paniclog, stderr
//
// mainlog has what happened to mail, rejectlog what was refused, paniclog what
// an operator must see at once; what is in the latter two is in mainlog too.
package mainlog

import (
	"net/netip"
	"time"
)

// ID is a message id of 16 characters; a spool.ID is assignable to it. The zero
// value means that the event belongs to no message.
type ID = [16]byte

// Client is who is at the other end of an incoming connection.
type Client struct {
	Addr netip.Addr
	Name string // confirmed host name; "" when none was looked up or found
	Helo string // what it called itself; "" before EHLO
}

// Host is a server that mail is sent to.
type Host struct {
	Name string // as configured or from the MX; the address where it was given as one
	IP   string // "192.0.2.9"
}

// TLS describes the session a message came or went in. The zero value is clear text.
type TLS struct {
	Cipher   string // "TLSv1.3:TLS_AES_128_GCM_SHA256:128"; "" is clear text
	Verified bool   // the peer's certificate was verified
	PeerDN   string // "/CN=client"; logged only with tls_log_peerdn
}

// Reception is a message that was accepted: <=.
type Reception struct {
	ID            ID
	Sender        string // "" is the null sender, logged as <>
	Client        Client // zero for a bounce of our own
	User          string // U=: who made a bounce of our own
	Protocol      string // smtp, esmtp, esmtps, esmtpa, esmtpsa, local
	TLS           TLS
	Authenticator string // A=: its name in the configuration
	AuthID        string
	Size          int64
	MessageID     string // the Message-ID: header without brackets
	BounceOf      ID     // R=: the message that this one reports on
	Recipients    int    // JSON only
}

// Delivery is one recipient that the next hop took: => for the first of a
// transaction, -> for its others.
type Delivery struct {
	ID            ID
	First         bool
	Address       string
	Router        string
	Transport     string
	Host          Host
	HandedOn      bool // the connection had carried another message: * after the host
	TLS           TLS
	Authenticator string // A=: what we authenticated as
	Reply         string // C=: the server's reply to the message
}

// Deferral is one recipient that has to wait: ==.
type Deferral struct {
	ID        ID
	Address   string
	Router    string
	Transport string
	Code      int       // Exim's number in "defer (-38)"; 0 where there is none
	Text      string    // "H=mx.z.example [192.0.2.8]: Connection refused"
	Next      time.Time // JSON only; zero when not known yet
}

// Failure is one recipient that was given up: **.
type Failure struct {
	ID        ID
	Address   string
	Router    string
	Transport string
	Text      string // "SMTP error from remote mailer after RCPT TO:<…>: host mx [192.0.2.8]: 550 no such user"
}

// HostFailure is a host that was left for the next one; it decides nothing about the message.
type HostFailure struct {
	ID   ID
	Host Host
	Text string // "Connection refused"
}

// Stage is the point of an incoming session at which something happened.
type Stage string

// The stages, as they stand in the log.
const (
	StageConnect   Stage = "connection"
	StageHelo      Stage = "EHLO"
	StageStartTLS  Stage = "STARTTLS"
	StageAuth      Stage = "AUTH"
	StageMail      Stage = "MAIL"
	StageRcpt      Stage = "RCPT"
	StageData      Stage = "DATA"
	StageAfterData Stage = "after DATA" // the whole message was seen
	StageCommand   Stage = "command"    // any other
)

// Rejection is something refused to a client by policy: mainlog and rejectlog.
type Rejection struct {
	Client    Client
	Stage     Stage
	Sender    string // from StageMail on
	Recipient string // StageRcpt
	ID        ID     // StageAfterData, where one was given out
	Text      string // why: "relaying to <x@y> prohibited"
}

// Lost is an incoming connection that ended without QUIT, or was too slow.
type Lost struct {
	Client  Client
	Stage   Stage         // StageData: in the middle of a message, which does not exist
	Sender  string        // StageData
	Timeout bool          // it was silent for too long; otherwise it closed
	After   time.Duration // how long the connection lasted
}

// AuthFailure is an AUTH that was refused. It never holds a secret.
type AuthFailure struct {
	Client        Client
	Authenticator string
	User          string // "" where none was understood
	Text          string // "535 Incorrect authentication data"
}

// Act is what an operator did to the queue or the daemon: the audit trail.
type Act struct {
	Who    string // "token 127.0.0.1:5000"
	Verb   string // "retry", "freeze", "thaw", "remove", "drain", "reload"
	Target string // "3 messages", an id, ""
	Result string // "done", or why not
}
