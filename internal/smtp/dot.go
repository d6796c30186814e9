package smtp

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Fault is what makes a text one that two readers may read as two.
type Fault uint8

// The faults, by what was met first.
const (
	NoFault Fault = iota
	BareCR
	BareLF
	NUL
)

// String says it in a reply's words.
func (f Fault) String() string {
	return [...]string{"", "a CR without its LF", "an LF without its CR", "a NUL byte"}[f]
}

// Text is what a scanner has seen of a message. Only CRLF ends a line.
type Text struct {
	Fault    Fault
	EightBit bool  // a byte over 127 was seen
	Stuffed  int64 // dots that are there for transparency only (RFC 5321 4.5.2)

	at place
}

// place is where in a line the next byte stands.
type place uint8

const (
	atStart place = iota // -> atDot | inLine
	atDot                // "." began the line -> atDotCR | inLine
	atDotCR              // ".CR" is all of the line -> end | afterCR
	inLine               // -> afterCR | atStart
	afterCR              // -> atStart | inLine
)

// DotScanner finds the end of DATA: CRLF.CRLF and nothing else, in whatever
// pieces it comes (RFC 5321 4.5.2). The zero value stands before the first byte.
type DotScanner struct{ Text }

// Scan looks at the next piece. It returns how many bytes of it belong to the
// DATA, its end included; where the end was met, the last three bytes seen are
// the end itself (".", CR, LF), which is no part of the message.
func (s *DotScanner) Scan(p []byte) (n int, end bool) {
	for n < len(p) && !end {
		switch s.at {
		case atStart:
			if s.at = inLine; p[n] == '.' {
				s.at = atDot
				n++
			}
		case atDot:
			if p[n] == '\r' {
				s.at = atDotCR
				n++
			} else {
				s.at = inLine
				s.Stuffed++
			}
		case atDotCR:
			if end = p[n] == '\n'; end {
				s.at = atStart
				n++
			} else {
				s.at = afterCR
				s.Stuffed++
			}
		default:
			n += s.line(p[n:])
		}
	}
	s.inspect(p[:n])
	return n, end
}

// Held returns how many of the last bytes seen may turn out to be part of the
// end: they are ".\r"[:Held()], and must not be kept as text yet.
func (s *DotScanner) Held() int {
	switch s.at {
	case atDot:
		return 1
	case atDotCR:
		return 2
	}
	return 0
}

// line goes on inside a line and returns the number of bytes it passed: at
// least one.
func (t *Text) line(p []byte) int {
	if t.at == afterCR {
		if t.at = inLine; p[0] == '\n' {
			t.at = atStart
			return 1
		}
		t.fault(BareCR)
	}
	if t.Fault != NoFault {
		return t.faultyLine(p)
	}
	lf := bytes.IndexByte(p, '\n')
	if lf < 0 {
		lf = len(p)
	}
	cr := bytes.IndexByte(p[:lf], '\r')
	switch {
	case cr >= 0 && cr == lf-1 && lf < len(p):
		t.at = atStart
		return lf + 1
	case cr >= 0:
		t.at = afterCR
		return cr + 1
	case lf < len(p):
		t.fault(BareLF)
		return lf + 1
	}
	return lf
}

// faultyLine is line for a text that is refused anyhow: searching for the ends
// of lines over and over would make a text of nothing but CRs quadratic.
func (t *Text) faultyLine(p []byte) int {
	i := bytes.IndexByte(p, '\r')
	if i < 0 {
		return len(p)
	}
	t.at = afterCR
	return i + 1
}

func (t *Text) fault(f Fault) {
	if t.Fault == NoFault {
		t.Fault = f
	}
}

// inspect looks for what can be seen without knowing the lines.
func (t *Text) inspect(p []byte) {
	if bytes.IndexByte(p, 0) >= 0 {
		t.fault(NUL)
	}
	t.EightBit = t.EightBit || hasEightBit(p)
}

// hasEightBit looks at eight bytes at a time: it goes over every byte of every
// message.
func hasEightBit(p []byte) bool {
	const high = 0x8080808080808080
	le := binary.LittleEndian
	for ; len(p) >= 32; p = p[32:] {
		if (le.Uint64(p)|le.Uint64(p[8:])|le.Uint64(p[16:])|le.Uint64(p[24:]))&high != 0 {
			return true
		}
	}
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// Stuffer brings a text that came in counted pieces (BDAT) into the form that
// it would have had in DATA: a dot is put before each dot that begins a line.
// The zero value stands before the first byte.
type Stuffer struct{ Text }

// Stuff writes the next piece to w.
func (s *Stuffer) Stuff(w io.Writer, p []byte) error {
	s.inspect(p)
	begin := 0
	for i := 0; i < len(p); {
		if s.at != atStart {
			i += s.line(p[i:])
			continue
		}
		s.at = inLine
		if p[i] == '.' {
			if err := stuffDot(w, p[begin:i]); err != nil {
				return err
			}
			begin = i
			s.Stuffed++
		}
	}
	_, err := w.Write(p[begin:])
	return err
}

func stuffDot(w io.Writer, before []byte) error {
	if _, err := w.Write(before); err != nil {
		return err
	}
	_, err := w.Write([]byte{'.'})
	return err
}

// Finish ends the last line where the text has not (RFC 3030 asks no CRLF of
// the last chunk; the next hop's CRLF.CRLF needs one).
func (s *Stuffer) Finish(w io.Writer) error {
	switch s.at {
	case atStart:
		return nil
	case afterCR:
		s.fault(BareCR)
	}
	s.at = atStart
	_, err := w.Write([]byte("\r\n"))
	return err
}
