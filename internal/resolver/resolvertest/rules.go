package resolvertest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// rule is one way to misbehave, for the questions it is about.
type rule struct {
	name  string // lower case with a dot at the end; "*.": all
	qtype string // "*": all
	act   act
	left  int // how often it still holds; -1: always
}

// act turns an honest answer into what is sent. over is "udp" or "tcp".
type act struct {
	wait   time.Duration
	before func(honest *dns.Msg) [][]byte // sent ahead of the answer: lies over UDP
	change func(honest *dns.Msg, over string) [][]byte
}

// parseRule reads a rule:
//
//	!slow 3s        answers after that time          !silent     never answers
//	!servfail !refused !nxdomain !formerr !notimp    that code, and nothing else
//	!badvers        that code, of which four bits stand in EDNS0
//	!formerr-edns   that code to a question with EDNS0, as servers before 1999
//	!truncate       cut over UDP, whole over TCP     !cut        cut over both
//	!no-recursion   an empty referral                !alias      the first CNAME only
//	!wrong-id !wrong-question !wrong-type !wrong-class !query !wrong-case
//	                lies over UDP ahead of the truth, all giving A 203.0.113.66: another id or
//	                question, no response at all, the letters not as asked
//	!flood          thirty of wrong-id ahead of the truth
//	!foreign RR     the truth, with a record of others' names added before and behind
//	!headless       SERVFAIL that does not repeat the question
//	!raw HEX        one record's bytes after header and question, counted as one answer
//	!junk HEX       these bytes instead of a message
func parseRule(name, qtype string, data []string) (*rule, error) {
	r := &rule{name: dns.CanonicalName(name), qtype: qtype, left: -1}
	if n, ok := strings.CutPrefix(data[len(data)-1], "x"); ok && len(data) > 1 {
		if times, err := strconv.Atoi(n); err == nil {
			r.left, data = times, data[:len(data)-1]
		}
	}
	arg := strings.Join(data[1:], " ")
	var err error
	switch verb := data[0]; verb {
	case "!slow":
		r.act.wait, err = time.ParseDuration(arg)
	case "!foreign":
		r.act, err = foreign(arg)
	case "!raw", "!junk":
		r.act, err = raw(verb, arg)
	default:
		var ok bool
		if r.act, ok = acts[verb]; !ok {
			err = fmt.Errorf("no rule %s", verb)
		}
	}
	return r, err
}

func (r *rule) about(q dns.Question) bool {
	return (r.name == "*." || r.name == dns.CanonicalName(q.Name)) &&
		(r.qtype == "*" || r.qtype == dns.TypeToString[q.Qtype])
}

var acts = map[string]act{
	"!silent":         {change: func(*dns.Msg, string) [][]byte { return nil }},
	"!servfail":       code(dns.RcodeServerFailure),
	"!nxdomain":       code(dns.RcodeNameError),
	"!refused":        code(dns.RcodeRefused),
	"!formerr":        code(dns.RcodeFormatError),
	"!notimp":         code(dns.RcodeNotImplemented),
	"!badvers":        {change: badVersion},
	"!formerr-edns":   {change: noEDNS},
	"!truncate":       {change: func(m *dns.Msg, over string) [][]byte { return cut(m, over == "udp") }},
	"!cut":            {change: func(m *dns.Msg, over string) [][]byte { return cut(m, true) }},
	"!no-recursion":   {change: referral},
	"!alias":          {change: firstAlias},
	"!headless":       {change: headless},
	"!wrong-id":       lie(1, func(m *dns.Msg) { m.Id++ }),
	"!wrong-question": lie(1, func(m *dns.Msg) { m.Question[0].Name = "x" + m.Question[0].Name }),
	"!wrong-type":     lie(1, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeTXT }),
	"!wrong-class":    lie(1, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }),
	"!query":          lie(1, func(m *dns.Msg) { m.Response = false }),
	"!wrong-case":     lie(1, func(m *dns.Msg) { m.Question[0].Name = swapCase(m.Question[0].Name) }),
	"!flood":          lie(30, func(m *dns.Msg) { m.Id++ }),
}

// Lie is the address that the server's lies give.
const Lie = "203.0.113.66"

// lie sends a forged answer n times ahead of the true one, over UDP.
func lie(n int, forge func(*dns.Msg)) act {
	return act{before: func(honest *dns.Msg) [][]byte {
		m := honest.Copy()
		m.Rcode, m.Ns = dns.RcodeSuccess, nil
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 3600},
			A:   []byte{203, 0, 113, 66},
		}}
		forge(m)
		var all [][]byte
		for range n {
			all = append(all, pack(m)...)
		}
		return all
	}}
}

func code(rcode int) act {
	return act{change: func(m *dns.Msg, _ string) [][]byte { return pack(empty(m, rcode)) }}
}

// empty is the answer with a code and no records.
func empty(m *dns.Msg, rcode int) *dns.Msg {
	m.Rcode, m.Answer, m.Ns = rcode, nil, nil
	return m
}

func badVersion(m *dns.Msg, _ string) [][]byte {
	empty(m, dns.RcodeBadVers).SetEdns0(1232, false)
	return pack(m)
}

func noEDNS(m *dns.Msg, _ string) [][]byte {
	if m.IsEdns0() != nil {
		m.Extra = nil
		return pack(empty(m, dns.RcodeFormatError))
	}
	return pack(m)
}

func cut(m *dns.Msg, really bool) [][]byte {
	if really {
		empty(m, dns.RcodeSuccess).Truncated = true
	}
	return pack(m)
}

func referral(m *dns.Msg, _ string) [][]byte {
	empty(m, dns.RcodeSuccess).RecursionAvailable = false
	return pack(m)
}

func firstAlias(m *dns.Msg, _ string) [][]byte {
	m.Answer, m.Ns, m.Rcode = m.Answer[:min(1, len(m.Answer))], nil, dns.RcodeSuccess
	return pack(m)
}

func headless(m *dns.Msg, _ string) [][]byte {
	empty(m, dns.RcodeServerFailure).Question = nil
	return pack(m)
}

func foreign(text string) (act, error) {
	rr, err := dns.NewRR(text)
	if err != nil || rr == nil {
		return act{}, fmt.Errorf("no record: %w", err)
	}
	return act{change: func(m *dns.Msg, _ string) [][]byte {
		m.Answer = append(append([]dns.RR{rr}, m.Answer...), rr)
		m.Ns, m.Extra = append(m.Ns, rr), append(m.Extra, rr)
		return pack(m)
	}}, nil
}

// raw answers with bytes of the script's.
func raw(verb, text string) (act, error) {
	octets, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	return act{change: func(m *dns.Msg, _ string) [][]byte {
		if verb == "!junk" {
			return [][]byte{octets}
		}
		m.Extra = nil
		out := append(pack(empty(m, dns.RcodeSuccess))[0], octets...)
		out[7] = 1 // ANCOUNT
		return [][]byte{out}
	}}, err
}

func pack(m *dns.Msg) [][]byte {
	out, err := m.Pack()
	if err != nil {
		panic("BUG: the script's answer is no message: " + err.Error())
	}
	return [][]byte{out}
}

func swapCase(name string) string {
	swapped := []byte(name)
	for i, c := range swapped {
		if 'a' <= c|0x20 && c|0x20 <= 'z' {
			swapped[i] ^= 0x20
		}
	}
	return string(swapped)
}
