package inbound

import (
	"bytes"

	"mtad/internal/smtp"
)

// Bounds of a message's header. Postfix cuts at 100 KB; ARC seals and long To:
// lines make more of it today.
const (
	maxHeaderBytes = 256 << 10
	maxHeaderLines = 5000
)

// headers looks at a message's header as it passes, in whatever pieces. It keeps
// the beginning of one line.
type headers struct {
	done      bool
	begins    bool   // the message begins with a field, or with the empty line
	received  int    // Received: fields
	date      bool   // there is a Date: field
	id        bool   // there is a Message-ID: field
	messageID string // printable, without brackets; "" where there is none

	bytes, lines int
	inID         bool // the field is Message-ID:, its value was not on the lines so far
	line         [320]byte
	kept         int // bytes of line
}

// scan looks at the next piece.
func (h *headers) scan(p []byte) {
	for !h.done && len(p) > 0 {
		part, ended := p, false
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			part, ended = p[:i+1], true
		}
		h.bytes += len(part)
		h.kept += copy(h.line[h.kept:], part)
		p = p[len(part):]
		if ended {
			h.endLine()
		} else if h.kept == len(h.line) && !isField(h.line[:]) && !h.folded() {
			h.endLine() // a long line of text: the header has ended before it
		}
	}
}

// tooBig reports a header over the bounds.
func (h *headers) tooBig() bool { return h.bytes > maxHeaderBytes || h.lines > maxHeaderLines }

// finish ends a message that ended inside its header.
func (h *headers) finish() {
	if !h.done && h.kept > 0 {
		h.endLine()
	}
}

func (h *headers) folded() bool {
	return h.lines > 0 && h.kept > 0 && (h.line[0] == ' ' || h.line[0] == '\t')
}

// endLine judges the line that is kept.
func (h *headers) endLine() {
	line := bytes.TrimRight(h.line[:h.kept], "\r\n")
	switch {
	case h.folded() && len(line) > 0:
		h.takeID(line)
	case isField(line):
		h.field(line)
	default:
		h.done = true
		h.begins = h.begins || h.lines == 0 && len(line) == 0
	}
	h.lines++
	h.kept = 0
}

// field counts a field and looks at those that mean something to a relay.
func (h *headers) field(line []byte) {
	h.begins = h.begins || h.lines == 0
	h.inID = false
	name, value, _ := bytes.Cut(line, []byte{':'})
	switch name = bytes.TrimRight(name, " \t"); {
	case bytes.EqualFold(name, []byte("Received")):
		h.received++
	case bytes.EqualFold(name, []byte("Date")):
		h.date = true
	case bytes.EqualFold(name, []byte("Message-ID")):
		h.id = true
		if h.messageID == "" {
			h.inID = true
			h.takeID(value)
		}
	}
}

// takeID takes the value of Message-ID:, which may stand on the next line.
func (h *headers) takeID(value []byte) {
	value = bytes.Trim(value, " \t")
	if !h.inID || len(value) == 0 {
		return
	}
	h.inID = false
	value = bytes.TrimPrefix(value, []byte{'<'})
	if i := bytes.IndexByte(value, '>'); i >= 0 {
		value = value[:i]
	}
	h.messageID = smtp.Printable(value, 255)
}

// isField: a name of printable characters, and a colon (RFC 5322 2.2; white
// space before the colon is of its obsolete syntax, 4.5).
func isField(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return false
	}
	name := bytes.TrimRight(line[:i], " \t")
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(name) > 0
}
