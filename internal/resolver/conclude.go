package resolver

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Bounds on what one answer may hold; what goes beyond is left out. They keep
// the cache small and a hostile zone cheap.
const (
	maxAliases = 8   // CNAMEs from a name to its records
	maxAddrs   = 128 // addresses of a name, of each family
	maxMX      = 32  // mail exchangers of a domain, the most preferred ones
	maxPTR     = 10  // names of an address
)

// question is a name, in lower case without a dot at the end, and a type.
type question struct {
	name  string
	qtype uint16
}

func (q question) typeName() string { return dns.TypeToString[q.qtype] }

// answer is what a question came to. It is shared and never changed.
type answer struct {
	err   *Error // nil: found
	ttl   time.Duration
	addrs []netip.Addr // A, AAAA
	mx    []MX
	names []string // PTR
}

func (a *answer) kind() Kind {
	if a.err == nil {
		return Found
	}
	return a.err.Kind
}

// finding is what one message says about a question: records; or that there are
// none; or only which other name to ask for.
type finding struct {
	records []record // at most as many as an answer may hold
	kind    Kind     // Found, NXDomain or NoData
	ttl     uint32   // seconds, the least on the way
	alias   string   // not "": the name that the question is to be asked of instead
	hops    int      // aliases followed in this message
}

var errAliases = errors.New("more than 8 aliases (CNAME), or a loop of them")

// conclude follows a question through the answer section. Only the records of
// its name, and of the aliases that start there, count: what else a server adds
// is nobody's business (DN-08). before is the aliases followed already.
func conclude(m *message, q question, before int) (finding, error) {
	f := finding{ttl: 1<<31 - 1}
	name := q.name
	for {
		if f.records = m.of(name, q.qtype); f.records != nil {
			for _, r := range f.records {
				f.ttl = min(f.ttl, r.ttl)
			}
			return f, nil
		}
		alias := m.of(name, dns.TypeCNAME)
		if alias == nil {
			break
		}
		if f.hops++; before+f.hops > maxAliases {
			return finding{}, errAliases
		}
		name, f.ttl = alias[0].name, min(f.ttl, alias[0].ttl)
	}
	switch {
	case m.rcode == dns.RcodeNameError:
		f.kind, f.ttl = NXDomain, min(f.ttl, m.soaTTL)
	case f.hops > 0 && m.soaTTL == 0 && name != "":
		f.alias = name
	default:
		f.kind, f.ttl = NoData, min(f.ttl, m.soaTTL)
	}
	return f, nil
}

// of returns the records of a name and type in the answer section.
func (m *message) of(name string, rtype uint16) []record {
	var found []record
	for _, r := range m.answers {
		if r.rtype == rtype && r.owner == name {
			found = append(found, r)
		}
	}
	return found
}

// fill makes an answer of the records found. text says who gave them.
func (a *answer) fill(q question, records []record, text string) {
	switch q.qtype {
	case dns.TypeA, dns.TypeAAAA:
		a.addrs = addrsOf(records)
	case dns.TypeMX:
		if a.mx = exchangersOf(records); a.mx == nil {
			a.err = q.fails(Temporary, text+" gives MX records, and none names a host")
		}
	case dns.TypePTR:
		if a.names = namesOf(records); a.names == nil {
			a.err = q.fails(NoData, text+" gives PTR records, and none is a host name")
		}
	}
}

// fails is an error about a question.
func (q question) fails(kind Kind, text string) *Error {
	return &Error{Kind: kind, Type: q.typeName(), Name: q.name, Text: text}
}

func addrsOf(records []record) []netip.Addr {
	addrs := make([]netip.Addr, 0, min(len(records), maxAddrs))
	for _, r := range records[:min(len(records), maxAddrs)] {
		if !slices.Contains(addrs, r.addr) {
			addrs = append(addrs, r.addr)
		}
	}
	return addrs
}

// exchangersOf returns the usable exchangers, most preferred first; nil: none
// is. A "." among others is no host (RFC 7505 3); alone it is the null MX.
func exchangersOf(records []record) []MX {
	var all []MX
	null := true
	for _, r := range records {
		null = null && r.name == ""
		if host, ok := hostName(r.name); ok && !isAddress(host) {
			all = append(all, MX{Host: host, Preference: r.preference})
		}
	}
	if null {
		return []MX{{Null: true}}
	}
	slices.SortStableFunc(all, func(a, b MX) int { return int(a.Preference) - int(b.Preference) })
	return slices.Clip(all[:min(len(all), maxMX)])
}

func namesOf(records []record) []string {
	var names []string
	for _, r := range records {
		if name, ok := hostName(r.name); ok && len(names) < maxPTR && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
