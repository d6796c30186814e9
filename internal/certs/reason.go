package certs

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"mtad/tlsstate"
)

// Reason is why a handshake failed or a peer was not accepted: for metrics, so
// there are no others.
type Reason string

const (
	NoCommonCipher  Reason = "no_common_cipher"  // nor group, nor kind of signature
	NoCommonVersion Reason = "no_common_version" // SSL 3, TLS 1.0 and 1.1 never
	NoCommonALPN    Reason = "no_common_alpn"    // something else than SMTP was meant (RFC 7301 3.2)
	NoCertificate   Reason = "no_certificate"
	Untrusted       Reason = "untrusted"
	Expired         Reason = "expired"
	NotYetValid     Reason = "not_yet_valid"
	WrongName       Reason = "wrong_name"
	WrongUsage      Reason = "wrong_usage"
	PeerRefused     Reason = "peer_refused" // it does not like our certificate
	TimedOut        Reason = "timeout"
	Closed          Reason = "closed"
	ClearText       Reason = "clear_text" // where only TLS may be
	Protocol        Reason = "protocol"   // all else
)

// Reasons lists all of them.
func Reasons() []Reason {
	return []Reason{NoCommonCipher, NoCommonVersion, NoCommonALPN, NoCertificate, Untrusted, Expired, NotYetValid,
		WrongName, WrongUsage, PeerRefused, TimedOut, Closed, ClearText, Protocol}
}

// ReasonOf classifies the error of a handshake, as tlsstate and crypto/tls
// return it; "" for nil.
func ReasonOf(err error) Reason {
	var refused *Refusal
	var op *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Reason
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return TimedOut
	case errors.Is(err, tlsstate.ErrClear), errors.Is(err, tlsstate.ErrClearBehind):
		return ClearText
	case errors.Is(err, tlsstate.ErrCut), errors.Is(err, tlsstate.ErrCloseNotify),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Closed
	case errors.As(err, &op) && op.Op == "remote error":
		return lookUp(alerts, op.Err.Error())
	}
	return lookUp(ourFaults, err.Error())
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

type phrase struct {
	part string
	is   Reason
}

func lookUp(phrases []phrase, text string) Reason {
	for _, p := range phrases {
		if strings.Contains(text, p.part) {
			return p.is
		}
	}
	return Protocol
}

// alerts are those of the peer (RFC 8446 6.2), as crypto/tls words them.
var alerts = []phrase{
	{"handshake failure", NoCommonCipher},
	{"insufficient security", NoCommonCipher},
	{"protocol version", NoCommonVersion},
	{"no application protocol", NoCommonALPN},
	{"certificate required", NoCertificate},
	{"certificate", PeerRefused}, // bad, unsupported, revoked, expired, unknown; unknown authority
	{"access denied", PeerRefused},
	{"user canceled", Closed},
}

// ourFaults are errors that crypto/tls finds on this side and has no value for.
var ourFaults = []phrase{
	{"no cipher suite supported", NoCommonCipher},
	{"no key exchanges supported", NoCommonCipher},
	{"unconfigured cipher suite", NoCommonCipher},
	{"signature algorithms", NoCommonCipher},
	{"unsupported versions", NoCommonVersion},
	{"unsupported protocol version", NoCommonVersion},
	{"unsupported application protocols", NoCommonALPN},
	{"unadvertised ALPN", NoCommonALPN},
	{"didn't provide a certificate", NoCertificate},
	{"failed to parse client certificate", Untrusted},
	{"failed to parse certificate", Untrusted},
	{"RSA key larger", Untrusted},
	{"unsupported public key", Untrusted},
}
