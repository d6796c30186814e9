package outbound

import (
	"strconv"
	"strings"

	"mtad/internal/smtp"
	"mtad/spool"
)

// appendMail writes MAIL with the parameters that the server offers to take.
// A message with 8-bit bytes goes as it is to a server that does not offer
// 8BITMIME: re-coding it would break what was signed, and servers take it.
func appendMail(b []byte, e *spool.Envelope, ext *smtp.Extensions) []byte {
	b = append(b, "MAIL FROM:<"...)
	b = append(b, e.Sender...)
	b = append(b, '>')
	if ext.Size { // RFC 1870 5
		b = append(b, " SIZE="...)
		b = strconv.AppendInt(b, e.Size, 10)
	}
	if ext.EightBitMIME && e.EightBit { // RFC 6152 3
		b = append(b, " BODY=8BITMIME"...)
	}
	if ext.DSN {
		b = appendRet(b, e)
	}
	return append(b, "\r\n"...)
}

// appendRet writes RET= and ENVID= (RFC 3461 4.3, 4.4).
func appendRet(b []byte, e *spool.Envelope) []byte {
	switch e.Ret {
	case spool.RetFull:
		b = append(b, " RET=FULL"...)
	case spool.RetHdrs:
		b = append(b, " RET=HDRS"...)
	}
	if e.EnvID != "" && isWord(e.EnvID) {
		b = append(append(b, " ENVID="...), e.EnvID...)
	}
	return b
}

// appendRcpt writes RCPT, with what the sender wants to hear of this recipient.
func appendRcpt(b []byte, r *spool.Recipient, ext *smtp.Extensions) []byte {
	b = append(b, "RCPT TO:<"...)
	b = append(b, r.Address...)
	b = append(b, '>')
	if ext.DSN {
		b = appendNotify(b, r.Notify)
		if r.Orcpt != "" && isWord(r.Orcpt) {
			b = append(append(b, " ORCPT="...), r.Orcpt...)
		}
	}
	return append(b, "\r\n"...)
}

// appendNotify writes NOTIFY= (RFC 3461 4.1); NEVER stands alone.
func appendNotify(b []byte, n spool.Notify) []byte {
	if n&spool.NotifyNever != 0 {
		return append(b, " NOTIFY=NEVER"...)
	}
	lead := " NOTIFY="
	for _, event := range notifyWords {
		if n&event.bit != 0 {
			b = append(append(b, lead...), event.word...)
			lead = ","
		}
	}
	return b
}

var notifyWords = [...]struct {
	bit  spool.Notify
	word string
}{{spool.NotifySuccess, "SUCCESS"}, {spool.NotifyFailure, "FAILURE"}, {spool.NotifyDelay, "DELAY"}}

// isPath reports whether an address can stand between < and > as it is, and
// nothing of it can be taken for the end of the path or of the line: printable
// ASCII; space, < and > only in a local part that is a quoted string
// (RFC 5321 4.1.2).
func isPath(address string) bool {
	rest := address
	if strings.HasPrefix(address, `"`) {
		if rest = behindQuoted(address); !strings.HasPrefix(rest, "@") {
			return false
		}
	}
	return isWord(rest) && !strings.ContainsAny(rest, `<>"`)
}

// behindQuoted returns what follows the quoted string that s begins with; ""
// where it does not end or has what a quoted string cannot have.
func behindQuoted(s string) string {
	for i := 1; i < len(s); i++ {
		if s[i] == '"' {
			return s[i+1:]
		}
		if s[i] == '\\' {
			i++
		}
		if i == len(s) || s[i] < ' ' || s[i] >= 0x7f {
			return ""
		}
	}
	return ""
}

// isHelo reports whether s can stand behind EHLO as one word.
func isHelo(s string) bool { return s != "" && isWord(s) }

// isWord reports printable ASCII without spaces.
func isWord(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}
