package dsn

import "strings"

// page is a message being written, as the spool keeps it.
type page struct {
	b       []byte
	stuffed int // bytes of dot-stuffing (RFC 5321 4.5.2)
}

func (p *page) line(s string) {
	if strings.HasPrefix(s, ".") {
		p.b = append(p.b, '.')
		p.stuffed++
	}
	p.b = append(append(p.b, s...), "\r\n"...)
}

// raw appends lines that are dot-stuffed already.
func (p *page) raw(lines []byte) {
	begins := true
	for _, c := range lines {
		if begins && c == '.' {
			p.stuffed++
		}
		begins = c == '\n'
	}
	p.b = append(p.b, lines...)
	if !begins {
		p.line("")
	}
}

// part begins a part of the report.
func (p *page) part(boundary string, header ...string) {
	p.line("")
	p.line("--" + boundary)
	for _, h := range header {
		p.line(h)
	}
	p.line("")
}

// Lines are folded at the last space before fold bytes, and anywhere before they
// are longest (RFC 5322 2.1.1).
const (
	fold    = 76
	longest = 900
)

// field writes a header field of the status part; an empty one is left out.
func (p *page) field(name, value string) {
	if value != "" {
		p.wrapped(name+": "+value, "", "\t")
	}
}

// wrapped writes a text, its first line behind first, the others behind next.
func (p *page) wrapped(text, first, next string) {
	lead := first
	for {
		text = strings.TrimLeft(text, " ")
		n := len(text)
		if len(lead)+n > fold {
			n = breakAt(text, fold-len(lead))
		}
		p.line(lead + strings.TrimRight(text[:n], " "))
		if text = text[n:]; strings.TrimLeft(text, " ") == "" {
			return
		}
		lead = next
	}
}

// breakAt is where a line of about room bytes ends.
func breakAt(text string, room int) int {
	// The first space belongs to "Name: ": a line of the name alone says nothing.
	if i := strings.LastIndexByte(text[:min(room, len(text))], ' '); i > 0 && !strings.HasSuffix(text[:i], ":") {
		return i
	}
	skip := strings.Index(text, ": ") + 2
	if skip > room || skip < 2 {
		skip = 0
	}
	if i := strings.IndexByte(text[skip:], ' '); i >= 0 && skip+i < longest {
		return skip + i
	}
	return min(len(text), longest)
}
