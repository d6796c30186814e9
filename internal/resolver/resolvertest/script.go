package resolvertest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// script is a zone file and its rules, parsed.
type script struct {
	records map[string][]dns.RR // by name, lower case, with a dot at the end
	names   map[string]bool     // all names that exist, those between dots too
	holds   map[string]hold     // how long "no" holds, by name
	rules   []*rule
}

// hold is what an SOA record says in seconds; the less of the two counts (RFC
// 2308 5).
type hold struct{ ttl, minimum uint32 }

func parseScript(text string) (*script, error) {
	s := &script{records: map[string][]dns.RR{}, names: map[string]bool{}, holds: map[string]hold{}}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, ";")
		if fields := strings.Fields(line); len(fields) > 0 {
			if err := s.line(fields); err != nil {
				return nil, fmt.Errorf("line %d: %q: %w", i+1, line, err)
			}
		}
	}
	return s, nil
}

func (s *script) line(fields []string) error {
	ttl := "300"
	if len(fields) > 1 && fields[1] == "SOA" {
		ttl = "4294967"
	}
	if len(fields) > 1 {
		if _, err := strconv.ParseUint(fields[1], 10, 32); err == nil {
			ttl = fields[1]
			fields = append(fields[:1:1], fields[2:]...)
		}
	}
	if len(fields) < 3 {
		return fmt.Errorf("want a name, a type and data")
	}
	name, rtype, data := dns.CanonicalName(fields[0]), fields[1], fields[2:]
	if strings.HasPrefix(data[0], "!") {
		r, err := parseRule(fields[0], rtype, data)
		s.rules = append(s.rules, r)
		return err
	}
	if rtype == "SOA" {
		minimum, err := strconv.ParseUint(data[0], 10, 32)
		ttl, _ := strconv.ParseUint(ttl, 10, 32)
		s.holds[name] = hold{ttl: uint32(ttl), minimum: uint32(minimum)}
		return err
	}
	return s.record(name, ttl, rtype, strings.Join(data, " "))
}

func (s *script) record(name, ttl, rtype, data string) error {
	rr, err := dns.NewRR(name + " " + ttl + " IN " + rtype + " " + data)
	if err != nil || rr == nil {
		return fmt.Errorf("no record: %w", err)
	}
	s.records[name] = append(s.records[name], rr)
	for end := false; !end; {
		s.names[name] = true
		var off int
		off, end = dns.NextLabel(name, 0)
		name = name[off:]
	}
	return nil
}

// answer is what an honest server says to a question.
func (s *script) answer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	name := dns.CanonicalName(q.Question[0].Name)
	for hops := 0; hops < 20; hops++ {
		found, alias := s.of(name, q.Question[0].Qtype)
		if found != nil {
			m.Answer = append(m.Answer, found...)
			return m
		}
		if alias == nil {
			break
		}
		m.Answer = append(m.Answer, alias)
		name = dns.CanonicalName(alias.Target)
	}
	if len(m.Answer) >= 20 {
		return m
	}
	if !s.names[name] {
		m.Rcode = dns.RcodeNameError
	}
	m.Ns = append(m.Ns, s.soa(name))
	return m
}

// of returns the records of a name and type, or the alias that the name is.
func (s *script) of(name string, qtype uint16) (found []dns.RR, alias *dns.CNAME) {
	for _, rr := range s.records[name] {
		if rr.Header().Rrtype == qtype {
			found = append(found, rr)
		}
		if c, ok := rr.(*dns.CNAME); ok {
			alias = c
		}
	}
	return found, alias
}

// soa is the record that says how long a "no" holds: the script's for the
// nearest name above, or a minute.
func (s *script) soa(name string) dns.RR {
	zone, long := ".", hold{60, 60}
	for at, off, end := name, 0, false; !end; at = at[off:] {
		if h, ok := s.holds[at]; ok {
			zone, long = at, h
			break
		}
		off, end = dns.NextLabel(at, 0)
	}
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: long.ttl},
		Ns:  "ns.invalid.", Mbox: "hostmaster.invalid.", Minttl: long.minimum,
	}
}
