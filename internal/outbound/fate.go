package outbound

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"mtad/internal/smtp"
	"mtad/tlsstate"
)

// Everything that can go wrong is told as a Fault: how far it reaches, whether
// for good, and in which words. fate alone turns that into what becomes of a
// recipient:
//
//	no fault                                  delivered
//	permanent, of the recipient or message    failed
//	all else                                  deferred
func fate(rcpt int, f *Fault, reply string) Fate {
	if f == nil {
		return Fate{Rcpt: rcpt, Kind: Delivered, Reply: reply}
	}
	kind := Deferred
	if f.forGood() {
		kind = Failed
	}
	return Fate{Rcpt: rcpt, Kind: kind, Scope: f.Scope, Reply: f.Reply, Error: f.Text, Code: f.Code, ErrNo: f.Kind}
}

// forGood reports a fault that ends a recipient's life: no for good, and not only
// from this host.
func (f *Fault) forGood() bool {
	return f.Permanent && (f.Scope == ScopeRecipient || f.Scope == ScopeMessage)
}

// Fates returns what a fault makes of recipients that nothing else decided.
func Fates(f *Fault, rcpts []int) []Fate {
	fates := make([]Fate, len(rcpts))
	for i, r := range rcpts {
		fates[i] = fate(r, f, "")
	}
	return fates
}

// Points of a session, as Exim's log names them; the others are the commands.
const (
	atConnect  = "connect"
	atGreeting = "initial connection"
	atRSET     = "RSET"
	atData     = "DATA"
	atBody     = "sending data block"
	atDot      = "end of data"
)

// Exim's numbers of errors that are none of the system's.
const (
	codeTLS      = -37 // ERRNO_TLSFAILURE
	codeNoTLS    = -38 // ERRNO_TLSREQUIRED
	codeNoAuth   = -42 // ERRNO_AUTHFAIL
	codeClosed   = -18 // ERRNO_SMTPCLOSED
	codeFormat   = -19 // ERRNO_SMTPFORMAT
	codeRcpt4xx  = -44 // ERRNO_RCPT4XX
	codeMail4xx  = -45 // ERRNO_MAIL4XX
	codeData4xx  = -46 // ERRNO_DATA4XX
	maxFaultText = 1024
)

// refusal is a reply that says no; after is the command as the log names it.
func refusal(t *Target, scope Scope, after string, a smtp.Answer) *Fault {
	f := &Fault{
		Scope:     scope,
		Permanent: a.Permanent(),
		Text:      clip("SMTP error from remote mailer after " + after + ": host " + t.String() + ": " + a.String()),
		Reply:     a.LastLine(),
	}
	if !f.forGood() {
		f.Kind, f.Code = kindOf(after, a.Code)
		if mailboxFull(f.Reply) && strings.Contains(f.Kind, "_4") {
			f.Kind += " quota"
		}
	}
	return f
}

// mailboxFull reports the enhanced code X.2.2 (RFC 3463 3.3).
func mailboxFull(reply string) bool {
	return len(reply) > 4 && strings.HasPrefix(strings.TrimLeft(reply[4:], "245"), ".2.2 ")
}

// kindOf names a refusal that is not for good as retry rules do, with the code of a 4xx:
// "rcpt_452"; and by its number in Exim's log.
func kindOf(after string, reply int) (kind string, code int) {
	digits := "_4xx"
	if reply/100 == 4 {
		digits = "_" + strconv.Itoa(reply)
	}
	switch {
	case strings.HasPrefix(after, "MAIL"):
		return "mail" + digits, codeMail4xx
	case strings.HasPrefix(after, "RCPT"):
		return "rcpt" + digits, codeRcpt4xx
	case after == atData || after == atBody || after == atDot:
		return "data" + digits, codeData4xx
	}
	return "connect", 0
}

// busy is a 421: the server closes the connection (RFC 5321 3.8).
func busy(t *Target, scope Scope, after string, a smtp.Answer) *Fault {
	f := refusal(t, scope, after, a)
	f.Busy = true
	return f
}

// outOfStep is a server whose replies cannot be counted to commands any more.
func outOfStep(t *Target, scope Scope, after, what string) *Fault {
	return &Fault{
		Scope: scope, Kind: "protocol", Code: codeFormat,
		Text: clip("SMTP synchronization error from host " + t.String() + " after " + after + ": " + what),
	}
}

// broken is an error of the connection while it was used.
func broken(t *Target, scope Scope, after string, err error) *Fault {
	var malformed *smtp.MalformedReply
	switch {
	case errors.As(err, &malformed):
		return &Fault{
			Scope: scope, Kind: "protocol", Code: codeFormat,
			Text: clip("Malformed SMTP reply from " + t.String() + " in response to " + after + ": " + malformed.Text),
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Fault{
			Scope: scope, Kind: "timeout", Code: int(syscall.ETIMEDOUT),
			Text: clip("SMTP timeout while connected to " + t.String() + " after " + after),
		}
	case closed(err):
		return &Fault{
			Scope: scope, Kind: "lost_connection", Code: codeClosed,
			Text: clip("Remote host " + t.String() + " closed connection in response to " + after),
		}
	}
	name, number := systemError(err)
	return &Fault{
		Scope: scope, Kind: "lost_connection", Code: number,
		Text: clip("H=" + t.String() + ": " + name + " in response to " + after),
	}
}

// closed reports that the server has ended the connection, in clear or in TLS, in
// order or not.
func closed(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, tlsstate.ErrCloseNotify, tlsstate.ErrCut} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// unreachable is an error of connecting.
func unreachable(t *Target, err error) *Fault {
	name, number := systemError(err)
	f := &Fault{Scope: ScopeHost, Kind: "connect", Code: number, Text: clip("H=" + t.String() + ": " + name)}
	switch syscall.Errno(number) {
	case syscall.ECONNREFUSED:
		f.Kind = "refused"
	case syscall.ETIMEDOUT:
		f.Kind = "timeout"
	}
	return f
}

// systemError names an error as the C library does, with its number.
func systemError(err error) (name string, number int) {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "Connection timed out", int(syscall.ETIMEDOUT)
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return printable(err.Error()), 0
	}
	name = errno.Error()
	if name[0] >= 'a' && name[0] <= 'z' {
		name = string(name[0]-'a'+'A') + name[1:]
	}
	return name, int(errno)
}

// stopped is the end of ctx: nobody's failure.
func stopped(t *Target, after string) *Fault {
	return &Fault{Scope: ScopeSession, Kind: "shutdown", Text: clip("H=" + t.String() + ": given up by this host after " + after)}
}

// Unready is a fault of our own configuration for a host.
func Unready(t *Target, err error) *Fault {
	return &Fault{Scope: ScopeHost, Kind: "connect", Text: clip("H=" + t.String() + ": " + printable(err.Error()))}
}

// unsent is a refusal of our own: this message, or this recipient, cannot go to
// this host.
func unsent(scope Scope, text string) *Fault {
	return &Fault{Scope: scope, Permanent: true, Text: clip(text)}
}

func tooLarge(t *Target, size, limit int64) *Fault {
	return unsent(ScopeMessage, "message size exceeds limit of remote host "+t.String()+": "+
		strconv.FormatInt(size, 10)+" bytes, it takes "+strconv.FormatInt(limit, 10))
}

// String names the host as Exim's log does.
func (t *Target) String() string { return t.Name + " [" + t.IP + "]" }

func printable(text string) string { return smtp.Printable([]byte(text), maxFaultText) }

func clip(text string) string { return text[:min(len(text), maxFaultText)] }
