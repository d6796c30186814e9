package smtp

import (
	"bytes"
	"io"
)

// Bounds of a reply, as a client takes it. Whatever a server sends, reading its
// replies costs this much memory and no more.
const (
	maxReplyLine  = 4096 // bytes of one line with its end; longer is malformed
	maxReplyLines = 64   // lines of one reply; more is malformed
	maxReplyText  = 1024 // bytes kept of a reply, over all its lines
)

// Answer is a reply as a client has read it. Its text is lent: it is valid until
// the next Read of the ReplyReader that it came from.
type Answer struct {
	Code int    // 200 to 599
	text []byte // whole lines with their codes, "\n" between them, at most maxReplyText bytes
	last int    // where the last line begins in text
}

// Positive reports a 2xx reply: done.
func (a Answer) Positive() bool { return a.Code/100 == 2 }

// Permanent reports a 5xx reply.
func (a Answer) Permanent() bool { return a.Code/100 == 5 }

// String returns the whole reply for logs: printable, bounded, its lines joined
// by a backslash and an n.
func (a Answer) String() string { return Printable(a.text, maxReplyText) }

// Lines returns the lines of the reply for people, each printable. A very long
// reply ends in the middle.
func (a Answer) Lines() []string {
	var lines []string
	for line := range bytes.SplitSeq(a.text, []byte{'\n'}) {
		lines = append(lines, Printable(line, 4*len(line)))
	}
	return lines
}

// LastLine returns the last line for logs: printable and bounded. It is the
// whole reply where that is so long that its last line was not kept.
func (a Answer) LastLine() string {
	if a.last == len(a.text) {
		return a.String()
	}
	return Printable(a.text[a.last:], maxReplyText)
}

// MalformedReply is what a server sent in place of a reply. Nothing that follows
// it can be told apart any more: the connection has to be given up.
type MalformedReply struct {
	Text string // what it sent, printable and bounded
}

func (e *MalformedReply) Error() string { return "malformed SMTP reply: " + e.Text }

// ReplyReader reads the replies of a server (RFC 5321 4.2). It reads ahead, as
// replies to pipelined commands come in one piece; what it has read ahead is
// counted by Buffered. The zero value is ready. Not safe for concurrent use.
type ReplyReader struct {
	buf        [maxReplyLine]byte
	begin, end int // what is read and not yet given out
	text       [maxReplyText]byte
	kept       int
}

// Buffered returns how many bytes have come in behind the last reply. Where no
// command waits for an answer there must be none: a server that speaks unasked
// would have its words taken for the answer to the next command.
func (r *ReplyReader) Buffered() int { return r.end - r.begin }

// Reset forgets everything that was read.
func (r *ReplyReader) Reset() { r.begin, r.end, r.kept = 0, 0, 0 }

// Read returns the next reply of src. keyword, where it is not nil, is called
// with the text behind the code of each line (which it must not keep): the
// answer to EHLO. Errors are those of src, io.ErrUnexpectedEOF where it ended
// inside a reply (a line without its end is no reply, whatever it says), and
// *MalformedReply.
func (r *ReplyReader) Read(src io.Reader, keyword func(text []byte)) (Answer, error) {
	r.kept = 0
	var a Answer
	for n := 0; n < maxReplyLines; n++ {
		line, err := r.line(src)
		if err != nil {
			if n > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return Answer{}, err
		}
		code, more, ok := parseReplyLine(line)
		a.last = r.keep(line)
		if !ok || n > 0 && code != a.Code {
			return Answer{}, r.malformed()
		}
		a.Code = code
		if keyword != nil && len(line) > 4 {
			keyword(line[4:])
		}
		if !more {
			a.text = r.text[:r.kept]
			return a, nil
		}
	}
	return Answer{}, r.malformed()
}

func (r *ReplyReader) malformed() error {
	return &MalformedReply{Text: Printable(r.text[:r.kept], maxReplyText)}
}

// line returns the next line without its end. A bare LF ends it too: the rest
// of the world reads it so, and no command of ours can be in it.
func (r *ReplyReader) line(src io.Reader) ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(r.buf[r.begin+seen:r.end], '\n'); i >= 0 {
			line := r.buf[r.begin : r.begin+seen+i]
			r.begin += seen + i + 1
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		seen = r.end - r.begin
		if err := r.fill(src); err != nil {
			return nil, err
		}
	}
}

// fill reads more behind what is there.
func (r *ReplyReader) fill(src io.Reader) error {
	if r.begin > 0 {
		r.end = copy(r.buf[:], r.buf[r.begin:r.end])
		r.begin = 0
	}
	if r.end == len(r.buf) {
		r.keep(r.buf[:])
		return r.malformed()
	}
	n, err := src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && r.end > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// keep adds a line to the text of the reply, as far as there is room, and
// returns where it begins there.
func (r *ReplyReader) keep(line []byte) int {
	if r.kept > 0 && r.kept < len(r.text) {
		r.text[r.kept] = '\n'
		r.kept++
	}
	begin := r.kept
	r.kept += copy(r.text[r.kept:], line)
	return begin
}

// parseReplyLine takes "250-text", "250 text" or "250" (RFC 5321 4.2.1; 1xx
// does not exist in SMTP).
func parseReplyLine(line []byte) (code int, more, ok bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, false, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		code = code*10 + int(c-'0')
	}
	return code, len(line) > 3 && line[3] == '-', code >= 200 && code < 600
}
