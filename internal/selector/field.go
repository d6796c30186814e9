package selector

import (
	"net/netip"
	"strings"
	"time"

	"mtad/spool"
)

// subject is what a field is a fact of; it decides when a term is looked at.
type subject uint8

const (
	ofGlance subject = iota
	ofMessage
	ofRecipient
)

// facts are what terms are held against.
type facts struct {
	now    time.Time
	glance *Glance
	env    *spool.Envelope
	rcpt   *spool.Recipient
	place  Place
}

// field is one row of the language: a name, and what a value of it is compared with.
type field struct {
	name string
	of   subject
	text func(f *facts, is func(string) bool) bool // one of the texts that the field has
	num  func(f *facts) int64                      // instead of text: a number, by unit
	unit unit
	net  bool // a network is a value too
	all  bool // all texts must fit, not one of them
}

type unit uint8

const (
	seconds unit = iota
	bytes
	count
)

var fields = []field{
	{name: "id", of: ofGlance, text: func(f *facts, is func(string) bool) bool { return is(f.glance.ID.String()) }},
	{name: "state", of: ofGlance, text: func(f *facts, is func(string) bool) bool { return is(f.glance.State) }},
	{name: "age", of: ofGlance, unit: seconds, num: func(f *facts) int64 { return int64(f.now.Sub(f.glance.Received)) }},
	{name: "sender", of: ofMessage, text: func(f *facts, is func(string) bool) bool { return is(f.env.Sender) }},
	{name: "size", of: ofMessage, unit: bytes, num: func(f *facts) int64 { return f.env.Size }},
	{name: "client", of: ofMessage, net: true, text: client},
	{name: "user", of: ofMessage, text: func(f *facts, is func(string) bool) bool { return is(f.env.AuthID) }},
	{name: "recipient", of: ofRecipient, text: func(f *facts, is func(string) bool) bool { return is(f.rcpt.Address) }},
	{name: "domain", of: ofRecipient, text: func(f *facts, is func(string) bool) bool { return is(Domain(f.rcpt.Address)) }},
	{name: "error", of: ofRecipient, text: func(f *facts, is func(string) bool) bool { return is(f.rcpt.LastError) }},
	{name: "attempts", of: ofRecipient, unit: count, num: func(f *facts) int64 { return int64(f.rcpt.Attempts) }},
	{name: "router", of: ofRecipient, text: func(f *facts, is func(string) bool) bool { return is(f.place.Router) }},
	{name: "host", of: ofRecipient, net: true, text: host},
	{name: "site", of: ofRecipient, all: true, text: site},
}

// Fields are the names of the language, for hints and for JSON keys.
func Fields() []string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	return names
}

func (fd *field) aboutPlaces() bool {
	return fd.name == "router" || fd.name == "host" || fd.name == "site"
}

// Domain is what stands behind the last @.
func Domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func client(f *facts, is func(string) bool) bool {
	return f.env.ClientAddr.IsValid() && is(f.env.ClientAddr.Addr().String()) || is(f.env.ClientName)
}

// host: one of the next hops, by name or address. A message that was not routed
// yet in this life of the daemon is bound for the host of its last error.
func host(f *facts, is func(string) bool) bool {
	for _, h := range hops(f) {
		if is(h.Name) || h.Addr.IsValid() && is(h.Addr.String()) {
			return true
		}
	}
	return false
}

func site(f *facts, is func(string) bool) bool { return SiteMatch(hops(f), is) }

// SiteMatch reports whether hosts are one site: each is of a site that fits, or has a
// name that does.
func SiteMatch(hops []Hop, is func(string) bool) bool {
	for _, h := range hops {
		if !is(h.Name) && (h.Site == "" || !is(h.Site)) {
			return false
		}
	}
	return len(hops) > 0
}

func hops(f *facts) []Hop {
	if len(f.place.Hops) == 0 {
		if h, ok := blamed(f.rcpt.LastError); ok {
			return []Hop{h}
		}
	}
	return f.place.Hops
}

// blamed reads the host out of an error: "H=mx.y.example [192.0.2.9]: …".
func blamed(text string) (h Hop, ok bool) {
	_, rest, ok := strings.Cut(text, "H=")
	if !ok {
		return h, false
	}
	name, rest, ok := strings.Cut(rest, " [")
	addr, _, ok2 := strings.Cut(rest, "]")
	if !ok || !ok2 || strings.ContainsRune(name, ' ') {
		return h, false
	}
	h.Name = name
	h.Addr, _ = netip.ParseAddr(addr)
	return h, true
}
