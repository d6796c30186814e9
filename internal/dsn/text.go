package dsn

import (
	"fmt"
	"time"

	"mtad/internal/smtp"
	"mtad/spool"
)

// text writes the part for people.
func (r *Report) text(p *page) {
	p.line("This message was created automatically by mail delivery software.")
	p.line("")
	switch r.Kind {
	case Failed:
		p.line("A message that you sent could not be delivered to one or more of its")
		p.line("recipients. It is not tried any more. The following address(es) failed:")
	case Delayed:
		r.delay(p)
	case Relayed:
		p.line("Your message was handed on to a mail system that does not confirm")
		p.line("deliveries. For the following address(es) nothing more will be reported:")
	}
	p.line("")
	for _, i := range r.Rcpts[:min(len(r.Rcpts), maxNamed)] {
		r.recipientText(p, &r.About.Recipients[i])
	}
	if more := len(r.Rcpts) - maxNamed; more > 0 {
		p.line(fmt.Sprintf("  and %d more, which the report below names.", more))
		p.line("")
	}
	if r.Kind == Delayed {
		p.line("You need not do anything. The message will be tried for some time yet, and")
		p.line("this warning may be repeated. If it cannot be delivered in the end, it will")
		p.line("be returned to you.")
	}
}

func (r *Report) delay(p *page) {
	h := header(r.Original)
	p.wrapped("A message that you sent has not yet been delivered to one or more of its "+
		"recipients after more than "+r.age()+" on the queue on "+r.Host+".", "", "")
	p.line("")
	p.line("The message identifier is:     " + r.About.ID.String())
	if subject := field(h, "Subject"); subject != "" {
		p.line("The subject of the message is: " + subject)
	}
	if date := field(h, "Date"); date != "" {
		p.line("The date of the message is:    " + date)
	}
	p.line("")
	p.line("The address(es) to which it has not been delivered yet:")
}

func (r *Report) recipientText(p *page, rcpt *spool.Recipient) {
	p.line("  " + rcpt.Address)
	if r.Kind != Relayed {
		why := smtp.Printable([]byte(rcpt.LastError), maxText)
		if why == "" && r.Kind == Delayed {
			why = "it waits for a host that does not answer"
		}
		if r.Kind == Delayed {
			why = "Delay reason: " + why
		}
		if why != "" {
			p.wrapped(why, "    ", "    ")
		}
	}
	p.line("")
}

// What hosts said is told at length of the first maxNamed recipients only: a hostile
// one is not to make megabytes of a message to many.
const (
	maxText  = 1024
	maxBrief = 128
)

// status writes the part for programs: the fields of the message (RFC 3464 2.2),
// then those of each recipient (2.3).
func (r *Report) status(p *page) {
	p.field("Reporting-MTA", "dns; "+r.Host)
	p.field("Original-Envelope-Id", fromXtext(r.About.EnvID))
	p.field("Arrival-Date", r.About.Received.Format(time.RFC1123Z))
	most := maxText
	for n, i := range r.Rcpts {
		if n == maxNamed {
			most = maxBrief
		}
		p.line("")
		r.recipientStatus(p, &r.About.Recipients[i], most)
	}
}

func (r *Report) recipientStatus(p *page, rcpt *spool.Recipient, most int) {
	d := diagnose(r.Kind, rcpt.LastError, most)
	p.field("Original-Recipient", fromXtext(rcpt.Orcpt))
	p.field("Final-Recipient", "rfc822;"+rcpt.Address)
	p.field("Action", string(r.Kind))
	p.field("Status", d.status)
	p.field("Remote-MTA", d.remote)
	p.field("Diagnostic-Code", d.code)
	if !rcpt.LastTry.IsZero() {
		p.field("Last-Attempt-Date", rcpt.LastTry.Format(time.RFC1123Z))
	}
}

// fromXtext reads xtext (RFC 3461 4), of which at most 500 bytes were taken in.
func fromXtext(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		var c byte
		if s[i] == '+' && i+2 < len(s) {
			if n, err := fmt.Sscanf(s[i+1:i+3], "%02X", &c); n == 1 && err == nil {
				b = append(b, c)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return smtp.Printable(b, 500)
}
