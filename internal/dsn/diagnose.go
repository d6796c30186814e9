package dsn

import (
	"regexp"
	"strings"

	"mtad/internal/smtp"
)

// diagnosis is what programs are told of one recipient's trouble.
type diagnosis struct {
	status string // RFC 3463
	remote string // "dns; mx.example.com"; "" where no host said anything
	code   string // "smtp; 550 no such user"; "" where there is nothing to say
}

// Expired ends the error of a recipient that was given up behind its last retry.
const Expired = "retry timeout exceeded"

var (
	// A host as errors name it (outbound.Target): "host NAME [ADDRESS]: " before a
	// reply, "H=NAME [ADDRESS]: " before what we found out ourselves.
	hostWords = regexp.MustCompile(`(?:^|: )(?:host |H=)([^ ]+) \[[0-9a-fA-F:.]+\]: `)
	replyCode = regexp.MustCompile(`^([245])[0-9][0-9](?:[ -](?:([245])(\.[0-9]{1,3}\.[0-9]{1,3})(?: |$))?|$)`)
)

// diagnose reads the error of a recipient as attempts leave it in the spool, and keeps
// so many bytes of what was said.
func diagnose(kind Kind, trouble string, most int) diagnosis {
	if kind == Relayed {
		return diagnosis{status: "2.1.9"} // RFC 3886 3.3.4: relayed to a mailer that reports nothing
	}
	d := diagnosis{status: "5.0.0"}
	if kind == Delayed {
		d.status = "4.0.0"
	}
	said := trouble
	if at := hostWords.FindStringSubmatchIndex(trouble); at != nil {
		d.remote = "dns; " + smtp.Printable([]byte(trouble[at[2]:at[3]]), 255)
		said = trouble[at[1]:]
	}
	said, expired := strings.CutSuffix(said, Expired)
	said = strings.TrimSuffix(said, ": ")
	if m := replyCode.FindStringSubmatch(said); m != nil && d.remote != "" {
		d.code = "smtp; " + smtp.Printable([]byte(said), most)
		d.status = statusOf(kind, m)
	} else if said != "" {
		d.code = "X-mtad; " + smtp.Printable([]byte(said), most)
	}
	if expired {
		d.status = "4.4.7" // delivery time expired
	}
	return d
}

// statusOf is the enhanced code of a reply where it has one of its own class.
func statusOf(kind Kind, m []string) string {
	class := "5"
	if kind == Delayed {
		class = "4"
	}
	if m[1] == class && m[2] == class {
		return class + m[3]
	}
	return class + ".0.0"
}
