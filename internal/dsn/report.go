package dsn

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"mtad/internal/smtp"
	"mtad/spool"
)

// Kind is what a report tells. Its text is the Action of RFC 3464 2.3.3.
type Kind string

const (
	Failed  Kind = "failed"
	Delayed Kind = "delayed"
	Relayed Kind = "relayed" // to a host without DSN, where success was to be reported
)

// Report is one report to be written. All fields but Original are needed.
type Report struct {
	Kind     Kind
	Host     string          // primary_hostname
	ID       spool.ID        // of the report itself
	Now      time.Time       // its date
	Boundary string          // between parts: nothing that anybody could have foreseen
	About    *spool.Envelope // the message it is about
	Rcpts    []int           // indexes into About.Recipients
	// Original is the message as the spool keeps it: dot-stuffed, CRLF, header
	// first. The first MaxReturned bytes and one more are enough.
	Original []byte
}

// MaxReturned is the size of the largest message that is returned whole; of a larger
// one the header is (Exim's bounce_return_size_limit).
const MaxReturned = 100 << 10

// maxHeader bounds what is returned of a header; it is cut between two fields.
const maxHeader = 48 << 10

// Message is a report as it goes into the spool: dot-stuffed, CRLF.
type Message struct {
	Bytes     []byte
	Size      int64  // without dot-stuffing (RFC 1870)
	EightBit  bool   // it returns bytes over 127
	MessageID string // without brackets
}

// Write writes the report.
func (r *Report) Write() Message {
	returned, whole := r.returned()
	m := Message{EightBit: eightBit(returned), MessageID: "E" + r.ID.String() + "@" + r.Host}
	p := &page{}
	r.header(p, &m)
	p.part(r.Boundary, "Content-Type: text/plain; charset=us-ascii")
	r.text(p)
	p.part(r.Boundary, "Content-Type: message/delivery-status")
	r.status(p)
	typ := "Content-Type: text/rfc822-headers"
	if whole {
		typ = "Content-Type: message/rfc822"
	}
	p.part(r.Boundary, typ, encoding(m.EightBit))
	p.raw(returned)
	p.line("")
	p.line("--" + r.Boundary + "--")
	m.Bytes, m.Size = p.b, int64(len(p.b)-p.stuffed)
	return m
}

func (r *Report) header(p *page, m *Message) {
	date := r.Now.Format(time.RFC1123Z)
	to := r.About.Sender
	p.line("Received: from mtad by " + r.Host + " with local (mtad)")
	p.line("\tid " + r.ID.String())
	p.line("\tfor " + to + "; " + date)
	if r.Kind == Failed {
		r.failedRecipients(p)
	}
	p.line("Auto-Submitted: auto-replied") // RFC 3834 5
	p.line("From: Mail Delivery System <MAILER-DAEMON@" + r.Host + ">")
	p.line("To: " + to)
	if id := r.About.MessageID; id != "" && !strings.ContainsAny(id, " <>\\") {
		p.line("References: <" + id + ">")
	}
	p.line("MIME-Version: 1.0")
	p.line("Content-Type: multipart/report; report-type=delivery-status;")
	p.line("\tboundary=\"" + r.Boundary + "\"")
	if m.EightBit {
		p.line(encoding(true))
	}
	p.line("Subject: " + r.subject())
	p.line("Message-ID: <" + m.MessageID + ">")
	p.line("Date: " + date)
	p.line("")
	p.line("This is a report in MIME format.")
}

// maxNamed bounds the recipients that are named where people look; the part for
// programs has all.
const maxNamed = 100

// failedRecipients is Exim's header for list managers.
func (r *Report) failedRecipients(p *page) {
	for n, i := range r.Rcpts[:min(len(r.Rcpts), maxNamed)] {
		lead := "  "
		if n == 0 {
			lead = "X-Failed-Recipients: "
		}
		end := ","
		if n == min(len(r.Rcpts), maxNamed)-1 {
			end = ""
		}
		p.line(lead + r.About.Recipients[i].Address + end)
	}
}

func (r *Report) subject() string {
	switch r.Kind {
	case Failed:
		return "Mail delivery failed: returning message to sender"
	case Delayed:
		return fmt.Sprintf("Warning: message %s delayed %s", r.About.ID, r.age())
	}
	return "Delivery Status Notification"
}

// age is how long the message has been here, as people say it.
func (r *Report) age() string {
	switch d := r.Now.Sub(r.About.Received).Round(time.Minute); {
	case d == time.Minute:
		return "1 minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	case d < 5*24*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
}

// returned is what of the message goes back, and whether it is all of it. RET is
// about failures only; else it is the header (RFC 3461 4.3).
func (r *Report) returned() (b []byte, whole bool) {
	if r.Kind == Failed && r.About.Ret != spool.RetHdrs && len(r.Original) <= MaxReturned {
		return r.Original, true
	}
	return cut(header(r.Original)), false
}

// header is the message up to the empty line, without that.
func header(message []byte) []byte {
	if bytes.HasPrefix(message, []byte("\r\n")) {
		return nil
	}
	if i := bytes.Index(message, []byte("\r\n\r\n")); i >= 0 {
		return message[:i+2]
	}
	return message
}

// cut shortens a header to whole fields.
func cut(header []byte) []byte {
	if len(header) <= maxHeader {
		return header
	}
	for end := maxHeader; end > 0; {
		i := bytes.LastIndex(header[:end], []byte("\r\n"))
		if i < 0 {
			break
		}
		if next := header[i+2]; next != ' ' && next != '\t' {
			return header[:i+2]
		}
		end = i
	}
	return nil
}

func eightBit(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

func encoding(eightBit bool) string {
	if eightBit {
		return "Content-Transfer-Encoding: 8bit"
	}
	return "Content-Transfer-Encoding: 7bit"
}

// Automatic reports a message from a list or a program: nobody there waits for word
// of a delay (Exim's default delay_warning_condition; RFC 3834 2).
func Automatic(message []byte) bool {
	h := header(message)
	for _, name := range []string{"List-ID", "List-Post", "List-Subscribe"} {
		if field(h, name) != "" {
			return true
		}
	}
	precedence, auto := strings.ToLower(field(h, "Precedence")), strings.ToLower(field(h, "Auto-Submitted"))
	for _, word := range []string{"bulk", "list", "junk"} {
		if strings.Contains(precedence, word) {
			return true
		}
	}
	return strings.Contains(auto, "auto-generated") || strings.Contains(auto, "auto-replied")
}

// field is the value of the first field of that name, unfolded and printable, at
// most 200 bytes.
func field(header []byte, name string) string {
	for len(header) > 0 {
		line, rest := nextField(header)
		header = rest
		key, value, ok := bytes.Cut(line, []byte{':'})
		if ok && bytes.EqualFold(bytes.TrimRight(key, " \t"), []byte(name)) {
			value = bytes.ReplaceAll(value, []byte("\r\n"), nil)
			return smtp.Printable(bytes.TrimSpace(value), 200)
		}
	}
	return ""
}

// nextField cuts a field with its folded lines off the front.
func nextField(header []byte) (line, rest []byte) {
	for end := 0; ; {
		i := bytes.Index(header[end:], []byte("\r\n"))
		if i < 0 {
			return header, nil
		}
		end += i + 2
		if end == len(header) || header[end] != ' ' && header[end] != '\t' {
			return header[:end], header[end:]
		}
	}
}
