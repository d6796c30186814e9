package auth

import (
	"encoding/base64"
	"strings"
	"time"

	"mtad/internal/smtp"
)

// Outcome is where a dialogue stands after a step.
type Outcome int

const (
	Challenge Outcome = iota // goes on: the client's next line goes to Next
	Done                     // ID is who it is
	Rejected                 // wrong secret, unknown user, foreign identity: nobody is told which
	Malformed                // not base64, too long, not in the mechanism's form
	Cancelled                // the client sent "*"
	Unknown                  // no such mechanism, or not for this session
	Temporary                // cannot be judged now: too busy, file unreadable, backing off
)

var outcomeNames = [...]string{"challenge", "done", "rejected", "malformed", "cancelled", "unknown", "temporary"}

func (o Outcome) String() string { return outcomeNames[o] } // a metric label

// Step is what one line of the client came to.
type Step struct {
	Outcome       Outcome
	Authenticator string        // its name in the configuration: A=, $sender_host_authenticated
	ID            string        // with Done: $authenticated_id
	User          string        // with Rejected: who was guessed at, where that was understood
	Delay         time.Duration // to be waited before the reply is sent: guessing is slowed down
	Reason        string        // for the log of the operator

	challenge string // not yet in base64
}

// Reply is what the client is told. It never depends on which part was wrong.
func (s Step) Reply() smtp.Reply {
	switch s.Outcome { // RFC 4954 4 and 6
	case Challenge:
		return smtp.Reply{Code: 334, Text: base64.StdEncoding.EncodeToString([]byte(s.challenge))}
	case Done:
		return smtp.Reply{Code: 235, Enhanced: "2.7.0", Text: "Authentication succeeded"}
	case Malformed:
		return smtp.Reply{Code: 501, Enhanced: "5.5.2", Text: "Invalid authentication data"}
	case Cancelled:
		return smtp.Reply{Code: 501, Enhanced: "5.7.0", Text: "Authentication cancelled"}
	case Unknown:
		return smtp.Reply{Code: 504, Enhanced: "5.5.4", Text: "Unrecognized authentication type"}
	case Temporary:
		return smtp.Reply{Code: 454, Enhanced: "4.7.0", Text: "Temporary authentication failure"}
	}
	return smtp.Reply{Code: 535, Enhanced: "5.7.8", Text: "Authentication credentials invalid"}
}

// MaxLine is how long a base64 line of a dialogue may be, in octets (RFC 4954 4).
const MaxLine = 12288

// decode takes nothing but base64 in its one form: no white space, nothing
// behind the padding, no bits that say nothing.
func decode(line string) (string, bool) {
	if len(line) > MaxLine || strings.ContainsAny(line, "\r\n") { // which encoding/base64 would skip
		return "", false
	}
	data, err := base64.StdEncoding.Strict().DecodeString(line)
	return string(data), err == nil
}
