// Package selector is the one language in which messages of the queue are chosen,
// by commands and over the API:
//
//	domain=*.example age>2h state=deferred error~"timed out"
//
// Terms stand beside each other and must all hold; "!" in front of one turns it round.
//
//	sender recipient domain      = pattern; several behind commas: one of them. * is any text, ? one character
//	host site router             where the recipient is bound: one of its next hops by name, address or
//	                             network; all of its next hops by [[site]] or by name; the router that chose them
//	client user error            who brought it: address, name or network; who was authenticated; the last error
//	state                        ready, active, deferred, frozen
//	id                           ids; a bare id is the same
//	age size attempts            > >= < <= =, as 2h, 1d, 50K, 3
//	all                          every message
//
// "=" compares whole values, "~" finds a text in them, "!=" and "!~" are their reverse.
// Case does not count. Values with blanks, commas or quotes are put in double quotes.
//
// Recipient, domain, host, site, router, error and attempts are facts of one
// recipient: a message is meant where one recipient that is still open fulfils all of
// them, and what acts on recipients (remove, bounce, reroute) acts on those alone.
package selector

import (
	"net/netip"
	"time"

	"mtad/spool"
)

// Selector chooses messages. It is immutable.
type Selector struct {
	text  string
	terms []term
	ids   []spool.ID // all that can be meant, where ids are named; nil: anything
	whole bool       // no term is about single recipients
	where bool       // some term is about where recipients are bound
}

// Place is where one recipient is bound, as far as that is known.
type Place struct {
	Router string
	Hops   []Hop // in the order to try
}

// Hop is one address of one next hop.
type Hop struct {
	Name string
	Addr netip.Addr
	Site string // of the configuration, "": none
}

// Glance is what can be said of a message without its envelope.
type Glance struct {
	ID       spool.ID
	Seq      uint64 // its place in the order of arrival: the cursor that leads to it
	Received time.Time
	State    string
}

// String returns the selector as it was written.
func (s *Selector) String() string { return s.text }

// IDs returns the only messages that can be meant; nil where none is named.
func (s *Selector) IDs() []spool.ID { return s.ids }

// Whole reports whether messages are meant with all their recipients.
func (s *Selector) Whole() bool { return s.whole }

// NeedsPlaces reports whether Recipients asks where a recipient is bound.
func (s *Selector) NeedsPlaces() bool { return s.where }

// Early reports whether a message may be meant, by what costs nothing to know.
func (s *Selector) Early(g Glance, now time.Time) bool {
	f := facts{glance: &g, now: now}
	for i := range s.terms {
		if t := &s.terms[i]; t.field.of == ofGlance && t.holds(&f) == t.not {
			return false
		}
	}
	return true
}

// Recipients returns those of an envelope that are meant, ascending, nil where the
// message is not. Where is asked only if NeedsPlaces; it may be nil then too. Those
// of a message that ended for good are never meant.
func (s *Selector) Recipients(env *spool.Envelope, where func(rcpt int) Place, now time.Time) []int {
	f := facts{env: env, now: now}
	for i := range s.terms {
		if t := &s.terms[i]; t.field.of == ofMessage && t.holds(&f) == t.not {
			return nil
		}
	}
	var meant []int
	for i := range env.Recipients {
		if f.rcpt = &env.Recipients[i]; f.rcpt.State.Final() {
			continue
		}
		if s.where && where != nil {
			f.place = where(i)
		}
		if s.recipient(&f) {
			meant = append(meant, i)
		}
	}
	return meant
}

// recipient reports whether one recipient fulfils what is said of recipients.
func (s *Selector) recipient(f *facts) bool {
	for i := range s.terms {
		if t := &s.terms[i]; t.field.of == ofRecipient && t.holds(f) == t.not {
			return false
		}
	}
	return true
}
