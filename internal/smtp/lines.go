package smtp

import (
	"bytes"
	"errors"
	"io"
)

// MaxLine bounds a command line with its CRLF. RFC 5321 4.5.3.1.4 asks for 512
// and what extensions add; 2,048 is what the field allows.
const MaxLine = 2048

// maxDiscard is how much of an overlong line is thrown away before its sender is.
const maxDiscard = 1 << 20

// Errors of LineReader.Next.
var (
	// ErrLineTooLong: the line was discarded to its end; the next one is in step.
	ErrLineTooLong = errors.New("command line is too long")
	// ErrLineEndless: so long that nobody waits for its end.
	ErrLineEndless = errors.New("command line does not end")
	// ErrLineBare: a CR or LF without the other, or a NUL. Who sees two commands
	// where we see one, or the other way round, must not be listened to any more.
	ErrLineBare = errors.New("bare CR, LF or NUL in a command line")
)

// LineReader is the input of a server session: command lines, and between them
// raw bytes (DATA, BDAT). It costs one small buffer while its client is silent.
// The zero value is ready. Not safe for concurrent use.
type LineReader struct {
	small  [MaxLine]byte
	big    []byte // in place of small: what Unread brought, too much for it
	r, w   int    // what is read and not yet given out
	direct bool   // the last Read went past the buffer
}

func (l *LineReader) buf() []byte {
	if l.big != nil {
		return l.big
	}
	return l.small[:]
}

// Buffered returns how many bytes are here that have not been given out.
func (l *LineReader) Buffered() int { return l.w - l.r }

// Complete reports whether Next can answer without reading.
func (l *LineReader) Complete() bool {
	return bytes.IndexByte(l.buf()[l.r:l.w], '\n') >= 0
}

// Peek returns at most n of the bytes that are here.
func (l *LineReader) Peek(n int) []byte { return l.buf()[l.r:min(l.r+n, l.w)] }

// Next returns the next line without its CRLF; it is valid until the next call.
// Errors are those above and those of src.
func (l *LineReader) Next(src io.Reader) ([]byte, error) { return l.NextLong(src, MaxLine) }

// NextLong is Next where a line may have up to max bytes, CRLF included: more
// than MaxLine. Room for them is taken when a line needs it.
func (l *LineReader) NextLong(src io.Reader, max int) ([]byte, error) {
	seen := 0
	for {
		b := l.buf()[l.r:l.w]
		if i := bytes.IndexByte(b[seen:], '\n'); i >= 0 {
			l.r += seen + i + 1
			return checkLine(b[:seen+i+1], max)
		}
		if seen = len(b); seen >= max {
			return nil, l.discard(src)
		}
		if err := l.fill(src, max); err != nil {
			return nil, err
		}
	}
}

// Wipe zeroes all that was given out, and what it left elsewhere in the buffer: a
// secret does not stay as long as its session. No line is valid any more.
func (l *LineReader) Wipe() {
	b := l.buf()
	clear(b[:l.r])
	clear(b[l.w:])
	if l.big != nil {
		clear(l.small[:])
	}
}

// checkLine: only CRLF ends a line (RFC 5321 2.3.8).
func checkLine(line []byte, max int) ([]byte, error) {
	end := len(line) - 2
	switch {
	case end < 0, bytes.IndexByte(line, '\r') != end, bytes.IndexByte(line, 0) >= 0:
		return nil, ErrLineBare
	case len(line) > max:
		return nil, ErrLineTooLong
	}
	return line[:end], nil
}

// fill reads behind what is here, which is less than max bytes.
func (l *LineReader) fill(src io.Reader, max int) error {
	if rest := l.buf()[l.r:l.w]; len(rest) < MaxLine {
		l.w = copy(l.small[:], rest)
		clear(l.big)
		l.r, l.big = 0, nil
	} else if len(l.big) < max || l.r > 0 {
		big := make([]byte, max)
		l.w = copy(big, rest)
		l.r, l.big = 0, big
	}
	n, err := src.Read(l.buf()[l.w:])
	l.w += n
	if n > 0 {
		return nil
	}
	return err
}

// discard throws away an overlong line.
func (l *LineReader) discard(src io.Reader) error {
	var last byte
	for dropped := 0; dropped <= maxDiscard; {
		b := l.buf()[l.r:l.w]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			if i > 0 {
				last = b[i-1]
			}
			l.r += i + 1
			if last != '\r' {
				return ErrLineBare
			}
			return ErrLineTooLong
		}
		if len(b) > 0 {
			last = b[len(b)-1]
		}
		dropped += len(b)
		l.r = l.w
		if err := l.fill(src, MaxLine); err != nil {
			return err
		}
	}
	return ErrLineEndless
}

// Read gives out raw bytes: those that are here, or else what src has.
func (l *LineReader) Read(src io.Reader, p []byte) (int, error) {
	if l.direct = l.r == l.w; l.direct {
		return src.Read(p)
	}
	n := copy(p, l.buf()[l.r:l.w])
	l.r += n
	return n, nil
}

// Unread takes back the last bytes of what the last Read gave.
func (l *LineReader) Unread(p []byte) {
	if !l.direct {
		l.r -= len(p)
		return
	}
	l.big = nil
	if len(p) > len(l.small) {
		l.big = make([]byte, len(p))
	}
	l.r, l.w = 0, copy(l.buf(), p)
}
