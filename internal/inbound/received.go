package inbound

import (
	"strings"
	"time"

	"mtad/spool"
)

// receivedHeader is the trace field put on top of a message (RFC 5321 4.4): what
// received_header_text says, or the default.
func (s *session) receivedHeader(env *spool.Envelope) []byte {
	if v, err := s.expanded(s.cfg.ReceivedHeaderText); err == nil && v.String() != "" {
		if field := asField(v.String()); isField(field) {
			return field
		}
	}
	return s.defaultReceived(env)
}

// maxFieldLine is the longest line that every host passes on (RFC 5322 2.1.1):
// a client's name, or its certificate's, can be longer.
const maxFieldLine = 998

// asField makes one field of the text: every line behind the first is folded,
// is cut where it is too long, and has CRLF at its end.
func asField(text string) []byte {
	b := make([]byte, 0, len(text)+64)
	for i, line := range strings.Split(strings.TrimRight(text, "\r\n \t"), "\n") {
		line = strings.TrimRight(line, "\r \t")
		switch {
		case line == "":
			continue // an empty line would end the header
		case i > 0 && line[0] != ' ' && line[0] != '\t':
			line = "\t" + line
		}
		line = line[:min(len(line), maxFieldLine)]
		for _, c := range []byte(line) {
			if c < ' ' && c != '\t' || c == 0x7f {
				c = '?'
			}
			b = append(b, c)
		}
		b = append(b, "\r\n"...)
	}
	return b
}

// defaultReceived is expand.DefaultReceivedHeader, written out: every message
// has one.
//
//	Received: from client.x.example ([192.0.2.1] helo=client.x.example)
//		by relay.example.net with esmtps (TLSv1.3:TLS_AES_128_GCM_SHA256:128)
//		(mtad 1.0)
//		id 1vNDqi-0000Gx-2A
//		for b@y.example; Mon, 23 Nov 2026 10:00:00 +0000
//
// More than one recipient is never named: who else got it is nobody's business.
func (s *session) defaultReceived(env *spool.Envelope) []byte {
	b := make([]byte, 0, 512)
	b = append(b, "Received: from "...)
	b = appendName(b, s.hello.name)
	b = append(b, " (["...)
	b = s.client.Addr().AppendTo(b)
	b = append(b, "] helo="...)
	b = appendName(b, s.hello.name)
	b = append(b, ")\r\n\tby "...)
	b = append(b, s.cfg.PrimaryHostname...)
	b = append(b, " with "...)
	b = append(b, env.Protocol...)
	if st := s.sock.State(); st.On {
		b = append(append(append(b, " ("...), st.CipherLog()...), ')')
	}
	b = append(b, "\r\n\t("...)
	b = append(b, s.product()...)
	b = append(b, ")\r\n\tid "...)
	b = append(b, env.ID[:]...)
	if len(env.Recipients) == 1 {
		b = append(b, "\r\n\tfor "...)
		b = append(b, env.Recipients[0].Address...)
	}
	b = append(b, "; "...)
	b = env.Received.AppendFormat(b, time.RFC1123Z)
	return append(b, "\r\n"...)
}

// appendName writes a name of the client's choosing so that the field stays one
// field, and its comment one comment.
func appendName(b []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		switch {
		case c <= ' ', c > '~', c == '(', c == ')', c == '\\', c == '"', c == ';', c == ',', c == '<', c == '>':
			c = '?'
		}
		b = append(b, c)
	}
	return b
}
