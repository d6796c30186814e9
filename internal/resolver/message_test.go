package resolver

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// reply packs records as the answer to a question, as miekg/dns writes them.
func reply(t testing.TB, q question, rcode int, records ...string) []byte {
	t.Helper()
	m := &dns.Msg{MsgHdr: dns.MsgHdr{Id: 7, Response: true, RecursionAvailable: true, Rcode: rcode}, Compress: true}
	m.Question = []dns.Question{{Name: q.name + ".", Qtype: q.qtype, Qclass: dns.ClassINET}}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	m.SetEdns0(udpSize, false)
	out, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What miekg/dns writes is what we read.
func TestParse(t *testing.T) {
	t.Parallel()
	q := question{"a.example", dns.TypeMX}
	msg := reply(t, q, 0, "A.Example. 30 IN CNAME b.example.", "b.example. 20 IN MX 5 Mx.Example.", "b.example. 20 IN TXT x",
		"b.example. 9 IN A 192.0.2.1", "b.example. 9 IN AAAA 2001:db8::1", `p.example. 1 IN PTR a\.b\010.example.`, "r.example. 1 IN MX 0 .")
	m, err := sent{id: 7, name: "a.example.", qtype: dns.TypeMX}.accept(msg)
	if err != nil || m == nil {
		t.Fatal(m, err)
	}
	want := []record{
		{owner: "a.example", rtype: dns.TypeCNAME, ttl: 30, name: "b.example"},
		{owner: "b.example", rtype: dns.TypeMX, ttl: 20, name: "mx.example", preference: 5},
		{owner: "b.example", rtype: dns.TypeA, ttl: 9, addr: netip.MustParseAddr("192.0.2.1")},
		{owner: "b.example", rtype: dns.TypeAAAA, ttl: 9, addr: netip.MustParseAddr("2001:db8::1")},
		{owner: "p.example", rtype: dns.TypePTR, ttl: 1, name: `a\.b\010.example`},
		{owner: "r.example", rtype: dns.TypeMX, ttl: 1},
	}
	if len(m.answers) != len(want) {
		t.Fatalf("%d records", len(m.answers))
	}
	for i, w := range want {
		if m.answers[i] != w {
			t.Errorf("record %d: %+v, want %+v", i, m.answers[i], w)
		}
	}
	for n := range len(msg) { // a message cut anywhere is no message
		if m, err := (sent{id: 7, name: "a.example.", qtype: dns.TypeMX}).accept(msg[:n]); m != nil {
			t.Errorf("cut at %d of %d: %+v, %v", n, len(msg), m, err)
		}
	}
}

func TestHostName(t *testing.T) { // not parallel: it counts allocations
	long := strings.Repeat("a", 63)
	for in, want := range map[string]string{
		"Mail.Example.": "mail.example", "_dmarc.x-1.example": "_dmarc.x-1.example", "a": "a", long + ".example": long + ".example",
		"": "", ".": "", "a..b": "", ".a": "", "a..": "", "a b": "", "a\nb": "", `a\010b`: "", `a\.b`: "", "a/b": "", "*.a": "", "ä.example": "",
		"a\x00": "", "a\x7f": "", long + "a.example": "", strings.Repeat(long+".", 4): "", strings.Repeat("a.", 126) + "a": strings.Repeat("a.", 126) + "a",
	} {
		if got, ok := hostName(in); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = hostName("mail.example.") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The names under which addresses are asked for, against miekg/dns.
func TestReverseName(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"192.0.2.1", "0.0.0.0", "255.254.25.4", "2001:db8::1", "::", "fe80::abcd:ef01:2345:6789"} {
		want, err := dns.ReverseAddr(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := reverseName(netip.MustParseAddr(text)) + "."; got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Letters change their case, by lot and nothing else.
func TestMixCase(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("abc-1_z.", 31) + "example."
	seen := map[string]bool{}
	for range 50 {
		mixed := mixCase(name)
		if seen[mixed] = true; strings.ToLower(mixed) != name {
			t.Fatalf("%s", mixed)
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d forms in 50", len(seen))
	}
}

// FuzzAnswer: whatever arrives, it neither panics nor spins, and what comes of
// it keeps within the bounds and is clean.
func FuzzAnswer(f *testing.F) {
	for i, q := range []question{{"a.example", dns.TypeA}, {"a.example", dns.TypeAAAA}, {"a.example", dns.TypeMX}, {"1.2.0.192.in-addr.arpa", dns.TypePTR}} {
		n := q.name + ". 5 IN "
		f.Add(uint8(i), reply(f, q, 0, n+"A 192.0.2.1", n+"MX 10 mx.example.", n+"AAAA ::1", n+`PTR x\.y\010.example.`))
		f.Add(uint8(i), reply(f, q, 0, n+"CNAME b.example.", "b.example. 1 IN CNAME "+q.name+"."))
		f.Add(uint8(i), reply(f, q, 3, n+"CNAME b.example."))
		f.Add(uint8(i), reply(f, q, 0, n+`SVCB 1 . alpn="h2"`, n+"MX 0 ."))
	}
	f.Fuzz(func(t *testing.T, which uint8, msg []byte) {
		if len(msg) < headerSize {
			return
		}
		name, qtype, _, _, err := parseQuestion(msg)
		if err != nil {
			return
		}
		s := sent{id: binary.BigEndian.Uint16(msg), name: name, qtype: qtype, tcp: which&1 == 1}
		m, err := s.accept(msg)
		if m == nil || err != nil {
			return
		}
		q := question{canonical(name), questionTypes[which>>1&3]}
		found, err := conclude(m, q, int(which>>3)%9)
		if err != nil || found.alias != "" {
			return // another name is to be asked for
		}
		a := new(Resolver).settle(q, found, "192.0.2.53:53", found.ttl)
		checkAnswer(t, q, found, a)
	})
}

func checkAnswer(t *testing.T, q question, f finding, a *answer) {
	if f.ttl > 1<<31-1 || f.hops > maxAliases || len(a.addrs) > maxAddrs || len(a.mx) > maxMX || len(a.names) > maxPTR {
		t.Errorf("beyond the bounds: %+v, %+v", f, a)
	}
	if (a.err == nil) != (len(a.addrs)+len(a.mx)+len(a.names) > 0) {
		t.Errorf("found nothing, or something and an error: %+v", a)
	}
	for _, addr := range a.addrs {
		if !addr.IsValid() || addr.Is4In6() || q.qtype == dns.TypeA && !addr.Is4() {
			t.Errorf("address %v", addr)
		}
	}
	names := a.names
	for _, m := range a.mx {
		if m.Null != (m.Host == "") {
			t.Errorf("exchanger %+v", m)
		}
		if !m.Null {
			names = append(names, m.Host)
		}
	}
	for _, name := range names {
		if clean, ok := hostName(name); !ok || clean != name || strings.ContainsAny(name, "\r\n\\ ") {
			t.Errorf("name %q", name)
		}
	}
}
