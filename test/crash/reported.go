package crash

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"

	"mtad/internal/load"
)

// Some recipients the sink refuses for good. For each of an acknowledged message
// the sender has to get word, in one bounce: the same bounce twice is an attempt that
// was open at a kill; two bounces are a failure reported twice.
//
//	refused by the sink ── LOST       in no bounce
//	                    ── DUP        in two, or in one that came twice though it was not open
//	not refused         ── INVENTED   in a bounce
func (b *book) judgeReports(v *Verdict) {
	for id, receipts := range b.reports {
		b.judgeCopies(v, "bounce "+id, receipts)
	}
	for d, reports := range b.told {
		name := d.id + " to " + d.rcpt
		s := b.sent[d.id]
		switch {
		case s == nil:
			v.Invented = append(v.Invented, name+": a bounce of what was never sent")
		case s.fate == load.Nacked:
			v.Invented = append(v.Invented, name+": a bounce of what was refused")
		case len(b.got[d]) > 0, !b.refused(d.rcpt):
			v.Invented = append(v.Invented, name+": a bounce of what did not fail")
		case len(reports) > 1:
			v.Dup = append(v.Dup, fmt.Sprintf("%s: reported in %d bounces", name, len(reports)))
		}
	}
	v.Bounces, v.Malformed = len(b.reports), b.malformed
}

// recordReport notes a bounce that came, and whom it names.
func (b *book) recordReport(e load.Entry) {
	b.reports[e.ID] = append(b.reports[e.ID], receipt{e.Conn, b.count, e.SHA})
	about, failed, err := readReport(e.Text)
	if err != nil {
		b.malformed = append(b.malformed, fmt.Sprintf("%s: %v", e.ID, err))
	}
	for _, rcpt := range failed {
		d := delivery{about, rcpt}
		if b.told[d] == nil {
			b.told[d] = map[string]bool{}
		}
		b.told[d][e.ID] = true
	}
}

func (b *book) refused(rcpt string) bool { return b.refuse != nil && b.refuse(rcpt) }

// settledFor reports that all is known of a recipient of an acknowledged message.
func (b *book) settledFor(d delivery) bool { return len(b.got[d]) > 0 || len(b.told[d]) > 0 }

// readReport takes apart a bounce (RFC 6522, RFC 3464): which of our messages it is
// about, and who failed.
func readReport(text []byte) (about string, failed []string, err error) {
	body := bufio.NewReader(bytes.NewReader(text))
	h, err := textproto.NewReader(body).ReadMIMEHeader()
	if err != nil {
		return "", nil, err
	}
	_, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return "", nil, err
	}
	for parts := multipart.NewReader(body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if err != nil {
			if err == io.EOF && about == "" {
				err = fmt.Errorf("it does not say of what: %.200q", text)
			} else if err == io.EOF {
				err = nil
			}
			return about, failed, err
		}
		switch b, _ := io.ReadAll(part); part.Header.Get("Content-Type") {
		case "message/delivery-status":
			failed = failedIn(b)
		case "message/rfc822", "text/rfc822-headers":
			about = fields(b).Get("X-Mtad-Id")
		}
	}
}

// failedIn reads the fields of each recipient.
func failedIn(status []byte) (failed []string) {
	for group := range bytes.SplitSeq(status, []byte("\r\n\r\n")) {
		if h := fields(group); h.Get("Action") == "failed" {
			failed = append(failed, strings.TrimPrefix(h.Get("Final-Recipient"), "rfc822;"))
		}
	}
	return failed
}

func fields(b []byte) textproto.MIMEHeader {
	text := io.MultiReader(bytes.NewReader(b), strings.NewReader("\r\n\r\n"))
	h, _ := textproto.NewReader(bufio.NewReader(text)).ReadMIMEHeader()
	return h
}
