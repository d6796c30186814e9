package smtp

import (
	"strconv"
	"strings"
)

// Extensions is what a server offers in its reply to EHLO, as far as a client
// has a use for it. The zero value is a server that knows HELO only.
type Extensions struct {
	Pipelining          bool     // RFC 2920
	EightBitMIME        bool     // RFC 6152
	Size                bool     // RFC 1870
	SizeLimit           int64    // bytes; 0: none was named
	Chunking            bool     // RFC 3030
	DSN                 bool     // RFC 3461
	EnhancedStatusCodes bool     // RFC 2034
	SMTPUTF8            bool     // RFC 6531
	StartTLS            bool     // RFC 3207
	Auth                []string // mechanisms, in capitals, in the server's order (RFC 4954 3)
}

const (
	maxMechanisms = 16
	maxMechanism  = 20 // RFC 4422 3.1
)

// Add takes one line of the reply, without its code. Unknown keywords, and the
// greeting of the first line, are passed over (RFC 5321 4.1.1.1).
func (e *Extensions) Add(line []byte) {
	keyword, params, _ := strings.Cut(string(line), " ")
	switch strings.ToUpper(keyword) {
	case "PIPELINING":
		e.Pipelining = true
	case "8BITMIME":
		e.EightBitMIME = true
	case "SIZE":
		e.Size = true
		e.SizeLimit = sizeLimit(params)
	case "CHUNKING":
		e.Chunking = true
	case "DSN":
		e.DSN = true
	case "ENHANCEDSTATUSCODES":
		e.EnhancedStatusCodes = true
	case "SMTPUTF8":
		e.SMTPUTF8 = true
	case "STARTTLS":
		e.StartTLS = true
	case "AUTH":
		e.addMechanisms(params)
	}
}

// sizeLimit reads the number behind SIZE. What is no number limits nothing: the
// server will say so itself.
func sizeLimit(params string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(params), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (e *Extensions) addMechanisms(params string) {
	for name := range strings.FieldsSeq(params) {
		if len(e.Auth) < maxMechanisms && len(name) <= maxMechanism {
			e.Auth = append(e.Auth, strings.ToUpper(name))
		}
	}
}
