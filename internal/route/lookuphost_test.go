package route

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtad/internal/resolver/resolvertest"
)

// lookupRouter is what there is without a [[router]], on relay.example.net.
const lookupRouter = "primary_hostname = \"relay.example.net\"\n"

// DN-02, DN-03, DN-06: each domain's mail goes where its zone says, or not at all; the lines are
// domain, then what routing says, DNS standing for the server.
func TestLookuphost(t *testing.T) {
	t.Parallel()
	s := resolvertest.New(t, `
two.example             MX 10 mx1.two.example
two.example             MX 20 mx2.two.example
mx1.two.example         A 198.51.100.1
mx1.two.example         AAAA 2001:db8::1
mx2.two.example         A 198.51.100.2
bare.example            A 198.51.100.3
text.example            TXT nothing
null.example            MX 0 .
nullish.example         MX 0 .
nullish.example         MX 10 mx1.two.example
gone.example            MX 10 nowhere.gone.example
half.example            MX 10 nowhere.gone.example
half.example            MX 20 mx2.two.example
alias.example           CNAME two.example
mxalias.example         MX 10 also.two.example
also.two.example        CNAME mx1.two.example
loop.example            CNAME loop2.example
loop2.example           CNAME loop.example
fails.example           MX !servfail
refuses.example         MX !refused
cut.example             MX !cut
mxfails.example         MX 10 bad.two.example
bad.two.example         * !servfail
mxhalf.example          MX 10 bad.two.example
mxhalf.example          MX 20 mx2.two.example
afails.example          TXT nothing
afails.example          A !servfail
afails.example          AAAA !servfail
back.example            MX 10 relay.example.net
back.example            MX 20 mx2.two.example
relay.example.net       A 192.0.2.1
backup.example          MX 10 mx1.two.example
backup.example          MX 20 relay.example.net
backup.example          MX 20 mx2.two.example
backup.example          MX 30 mx2.two.example
disguised.example       MX 10 other.example.net
other.example.net       A 192.0.2.1
home.example            MX 10 home.example.net
home.example.net        A 127.0.0.1
home.example.net        AAAA ::1
zero.example            MX 10 zero.example.net
zero.example.net        A 0.0.0.0
inside.example          MX 10 inside.example.net
inside.example.net      A 10.1.2.3
inside.example.net      A 198.51.100.4
192.0.2.99              A 198.51.100.5
`)
	r := routerOn(t, lookupRouter, s)
	for domain, want := range map[string]string{
		"two.example":        "T=smtp lane=smtp|mx1.two.example:25,mx2.two.example:25: mx1.two.example=198.51.100.1:25 mx1.two.example=[2001:db8::1]:25 mx2.two.example=198.51.100.2:25",
		"bare.example":       "T=smtp lane=smtp|bare.example:25: bare.example=198.51.100.3:25",
		"text.example":       "permanent=true: Unrouteable address: no MX record, and host text.example has no address",
		"null.example":       "permanent=true: 556 5.1.10 the domain null.example does not accept mail (null MX)",
		"nullish.example":    "T=smtp lane=smtp|mx1.two.example:25: mx1.two.example=198.51.100.1:25 mx1.two.example=[2001:db8::1]:25",
		"no.example":         "permanent=true: Unrouteable address: the domain no.example does not exist",
		"gone.example":       "permanent=true: Unrouteable address: all relevant MX records point to non-existent hosts: host nowhere.gone.example does not exist",
		"half.example":       "T=smtp lane=smtp|nowhere.gone.example:25,mx2.two.example:25: mx2.two.example=198.51.100.2:25",
		"alias.example":      "T=smtp lane=smtp|mx1.two.example:25,mx2.two.example:25: mx1.two.example=198.51.100.1:25 mx1.two.example=[2001:db8::1]:25 mx2.two.example=198.51.100.2:25",
		"mxalias.example":    "T=smtp lane=smtp|also.two.example:25: also.two.example=198.51.100.1:25 also.two.example=[2001:db8::1]:25",
		"loop.example":       "permanent=false: cannot look up MX of loop.example: DNS gives more than 8 aliases (CNAME), or a loop of them",
		"fails.example":      "permanent=false: cannot look up MX of fails.example: DNS says SERVFAIL",
		"refuses.example":    "permanent=false: cannot look up MX of refuses.example: DNS says REFUSED",
		"cut.example":        "permanent=false: cannot look up MX of cut.example: DNS answered what makes no sense (40 bytes)",
		"mxfails.example":    "permanent=false: cannot look up A of bad.two.example: DNS says SERVFAIL",
		"mxhalf.example":     "T=smtp lane=smtp|bad.two.example:25,mx2.two.example:25: mx2.two.example=198.51.100.2:25",
		"afails.example":     "permanent=false: cannot look up A of afails.example: DNS says SERVFAIL",
		"back.example":       "permanent=true: 5.4.6 lowest numbered MX record of back.example points to local host",
		"backup.example":     "T=smtp lane=smtp|mx1.two.example:25: mx1.two.example=198.51.100.1:25 mx1.two.example=[2001:db8::1]:25",
		"disguised.example":  "permanent=true: 5.4.6 lowest numbered MX record of disguised.example points to local host",
		"home.example":       "permanent=true: Unrouteable address: all relevant MX records point to non-existent hosts: ::1 is not to be used: ignore_target_hosts",
		"localhost":          "permanent=true: Unrouteable address: no MX record, and ::1 is not to be used: ignore_target_hosts",
		"zero.example":       "permanent=true: Unrouteable address: all relevant MX records point to non-existent hosts: 0.0.0.0 is not to be used: ignore_target_hosts",
		"inside.example":     "T=smtp lane=smtp|inside.example.net:25: inside.example.net=198.51.100.4:25",
		"192.0.2.99":         "permanent=true: Unrouteable address: 192.0.2.99 is an address, not a domain",
		"[192.0.2.99]":       "permanent=true: Unrouteable address",
		"[IPv6:2001:db8::9]": "permanent=true: Unrouteable address",
	} {
		if got := routed(r, domain, s.Addr); got != want {
			t.Errorf("%s\n got %s\nwant %s", domain, got, want)
		}
	}
}

// routed is what becomes of mail for a domain, in one line.
func routed(r *Router, domain, server string) string {
	env, all := envelope("u@" + domain)
	got := strings.TrimSpace(show(r.Route(context.Background(), env, all)))
	_, got, _ = strings.Cut(got, " R=")
	_, got, _ = strings.Cut(got, " ")
	return strings.ReplaceAll(got, server, "DNS")
}

// What an option changes of that.
func TestLookuphostOptions(t *testing.T) {
	t.Parallel()
	s := resolvertest.New(t, `
bare.example            A 198.51.100.3
back.example            MX 10 relay.example.net
relay.example.net       A 192.0.2.1
home.example            MX 10 home.example.net
home.example.net        A 127.0.0.1
inside.example          MX 10 inside.example.net
inside.example.net      A 10.1.2.3
six.example             MX 10 six.example.net
six.example.net         AAAA 2001:db8::6
six.example.net         A 198.51.100.6
backup.example.org      A 198.51.100.7
`)
	for _, c := range []struct{ options, domain, want string }{
		{`mx_domains = "*.example"`, "bare.example", "permanent=true: Unrouteable address: bare.example has no MX record, and mx_domains asks for one"},
		{`self = "defer"`, "back.example", "permanent=false: 5.4.6 lowest numbered MX record of back.example points to local host"},
		{`self = "pass"`, "back.example", "T=smtp lane=smtp|198.51.100.99:25: 198.51.100.99=198.51.100.99:25"},
		{`self = "send"`, "back.example", "T=smtp lane=smtp|relay.example.net:25: relay.example.net=192.0.2.1:25"},
		{`ignore_target_hosts = ""`, "home.example", "permanent=true: 5.4.6 lowest numbered MX record of home.example points to local host"},
		{"ignore_target_hosts = []\nself = \"send\"", "home.example", "T=smtp lane=smtp|home.example.net:25: home.example.net=127.0.0.1:25"},
		{"ignore_target_hosts = []\nself = \"send\"\ntransport = \"high\"", "home.example", "permanent=true: 5.4.6 lowest numbered MX record of home.example points to local host"},
		{`ignore_target_hosts = "127.0.0.0/8"`, "inside.example", "T=smtp lane=smtp|inside.example.net:25: inside.example.net=10.1.2.3:25"},
		{`domains = "*.example"`, "bare.test", "T=smtp lane=smtp|198.51.100.99:25: 198.51.100.99=198.51.100.99:25"},
		{`domains = ["*", "[198.51.100.8]"]`, "[198.51.100.8]", "permanent=true: Unrouteable address"},
		{`domains = ["[198.51.100.8]", "*"]`, "[198.51.100.8]", "T=smtp lane=smtp|198.51.100.8:25: 198.51.100.8=198.51.100.8:25"},
		{`fallback_hosts = "backup.example.org"`, "bare.example", "T=smtp lane=smtp|bare.example:25,backup.example.org:25: bare.example=198.51.100.3:25 backup.example.org=198.51.100.7:25"},
		{`transport = "high"`, "bare.example", "T=high lane=high|bare.example:2525: bare.example=198.51.100.3:2525"},
		{"", "six.example", "T=smtp lane=smtp|six.example.net:25: six.example.net=198.51.100.6:25 six.example.net=[2001:db8::6]:25"},
		{"#disable_ipv6", "six.example", "T=smtp lane=smtp|six.example.net:25: six.example.net=198.51.100.6:25"},
	} {
		conf := lookupRouter
		if c.options == "#disable_ipv6" {
			conf += "disable_ipv6 = true\n"
		}
		conf += "[[router]]\nname = \"dns\"\ndriver = \"lookuphost\"\n" + c.options +
			"\n[[router]]\nname = \"rest\"\ndriver = \"domainlist\"\ndomains = [\"back.example\", \"bare.test\"]\nhosts = \"198.51.100.99\"\n" +
			"[transport.high]\nport = 2525\n[[listen]]\naddress = \":2525\"\n"
		if got := routed(routerOn(t, conf, s), c.domain, s.Addr); got != c.want {
			t.Errorf("%s %s\n got %s\nwant %s", c.options, c.domain, got, c.want)
		}
	}
}

// domainlist asks for exchangers too. What is wrong there is the operator's to
// put right: it costs no message.
func TestMXOfDomainlist(t *testing.T) {
	t.Parallel()
	s := resolvertest.New(t, `
two.example      MX 10 mx1.two.example
two.example      MX 20 mx2.two.example
mx1.two.example  A 198.51.100.1
mx2.two.example  A 10.1.2.3
null.example     MX 0 .
us.example       MX 10 relay.example.net
relay.example.net A 192.0.2.1
home.example.net A 127.0.0.1
`)
	for hosts, want := range map[string]string{
		`"mx:two.example"`:                 "T=smtp lane=smtp|mx:two.example:25: mx1.two.example=198.51.100.1:25 mx2.two.example=10.1.2.3:25",
		`"198.51.100.9 mx:two.example:26"`: "T=smtp lane=smtp|198.51.100.9:25,mx:two.example:26: 198.51.100.9=198.51.100.9:25 mx1.two.example=198.51.100.1:26 mx2.two.example=10.1.2.3:26",
		`"mx:no.example mx1.two.example"`:  "T=smtp lane=smtp|mx:no.example:25,mx1.two.example:25: mx1.two.example=198.51.100.1:25",
		`"mx:no.example"`:                  "permanent=false: the domain no.example does not exist",
		`"mx:null.example"`:                "permanent=false: 556 5.1.10 the domain null.example does not accept mail (null MX)",
		`"mx:us.example"`:                  "permanent=false: 5.4.6 lowest numbered MX record of us.example points to local host",
		`"home.example.net"`:               "T=smtp lane=smtp|home.example.net:25: home.example.net=127.0.0.1:25",
		`"home.example.net:2525"`:          "permanent=false: 127.0.0.1:2525 is this host",
		`"x.example.net"` + "\nfallback_hosts = \"mx:two.example\"": "T=smtp lane=smtp|x.example.net:25,mx:two.example:25: mx1.two.example=198.51.100.1:25 mx2.two.example=10.1.2.3:25",
	} {
		r := routerOn(t, lookupRouter+"[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = "+hosts+"\n[[listen]]\naddress = \"127.0.0.1:2525\"\n", s)
		if got := routed(r, "u.example", s.Addr); got != want {
			t.Errorf("%s\n got %s\nwant %s", hosts, got, want)
		}
	}
}

// A null MX is believed at once: no address is asked for.
func TestDN01NullMX(t *testing.T) {
	t.Parallel()
	s := resolvertest.New(t, "null.example MX 0 .\nnull.example A 198.51.100.1\n")
	r := routerOn(t, lookupRouter, s)
	if got := routed(r, "null.example", s.Addr); got != "permanent=true: 556 5.1.10 the domain null.example does not accept mail (null MX)" {
		t.Error(got)
	}
	if asked := s.Asked(); !slices.Equal(asked, []string{"udp MX null.example."}) {
		t.Errorf("it asked for %v", asked)
	}
}

// A zone of 1,000 exchangers with 100 addresses each costs a few look-ups and
// comes to a few hosts.
func TestDN04ManyExchangers(t *testing.T) {
	t.Parallel()
	var zone strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&zone, "many.example MX 10 mx%d.many.example\n", i)
		if i < 100 {
			for j := range 100 {
				fmt.Fprintf(&zone, "mx%d.many.example A 198.18.%d.%d\n", i, i, j)
			}
		}
	}
	s := resolvertest.New(t, strings.ReplaceAll(zone.String(), "198.18.", "203.0."))
	r := routerOn(t, lookupRouter, s)
	env, all := envelope("u@many.example")
	dests, faults := r.Route(t.Context(), env, all)
	if len(dests) != 1 || len(dests[0].Hosts) > maxHosts || len(dests[0].Lane) > 600 {
		t.Fatalf("%+v %v", dests, faults)
	}
	if asked := s.Asked(); len(asked) > 2+3*maxExchangers { // UDP, and TCP where it was cut
		t.Errorf("%d questions", len(asked))
	}
}

// Exchangers of equal preference, and the addresses of each, take turns; of
// unequal ones the better is first, and an IPv4 address of the same host before
// its IPv6 ones.
func TestDN05EqualPreferenceIsShuffled(t *testing.T) {
	t.Parallel()
	s := resolvertest.New(t, `
eq.example MX 10 a.example
eq.example MX 10 b.example
eq.example MX 20 c.example
a.example A 198.51.100.1
a.example A 198.51.100.2
a.example AAAA 2001:db8::1
b.example A 198.51.100.3
c.example A 198.51.100.4
`)
	r := routerOn(t, lookupRouter, s)
	env, all := envelope("u@eq.example")
	orders := map[string]bool{}
	lane := ""
	for range 500 {
		dests, _ := r.Route(t.Context(), env, all)
		var order []string
		for _, h := range dests[0].Hosts {
			order = append(order, h.Addr.Addr().String())
		}
		orders[strings.Join(order, " ")] = true
		if lane == "" {
			lane = dests[0].Lane
		}
		if dests[0].Lane != lane {
			t.Fatalf("lanes %s and %s", lane, dests[0].Lane)
		}
	}
	want := []string{
		"198.51.100.1 198.51.100.2 2001:db8::1 198.51.100.3 198.51.100.4", "198.51.100.2 198.51.100.1 2001:db8::1 198.51.100.3 198.51.100.4",
		"198.51.100.3 198.51.100.1 198.51.100.2 2001:db8::1 198.51.100.4", "198.51.100.3 198.51.100.2 198.51.100.1 2001:db8::1 198.51.100.4",
	}
	if len(orders) != 4 || !orders[want[0]] || !orders[want[1]] || !orders[want[2]] || !orders[want[3]] {
		t.Errorf("%v", orders)
	}
}

// What there is no route to is passed over, unless there is nothing else.
func TestUnreachableFamilyIsNoDelay(t *testing.T) {
	t.Parallel()
	s := resolvertest.New(t, "both.example A 198.51.100.1\nboth.example AAAA 2001:db8::1\nsix.example AAAA 2001:db8::2\n")
	r := routerOn(t, lookupRouter, s)
	r.Reachable = func(h Host) bool { return h.Addr.Addr().Is4() }
	if got := routed(r, "both.example", s.Addr); !strings.HasSuffix(got, "both.example=198.51.100.1:25") {
		t.Error(got)
	}
	if got := routed(r, "six.example", s.Addr); !strings.HasSuffix(got, "six.example=[2001:db8::2]:25") {
		t.Error(got)
	}
	if !reachable(Host{Addr: netip.MustParseAddrPort("127.0.0.1:25")}) {
		t.Error("no route to loopback")
	}
}

// A thousand messages to one domain cost one look-up, and so does a DNS that is
// dead: nobody fails, and the answer comes when the time is over.
func TestDN09DeadDNSIsAskedOnce(t *testing.T) {
	t.Parallel()
	conf := lookupRouter
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "* * !silent\n")
		r := routerOn(t, conf, s)
		defer s.Close()
		var wg sync.WaitGroup
		began := time.Now()
		for range 1000 {
			wg.Go(func() {
				if got := routed(r, "x.example", s.Addr); !strings.HasPrefix(got, "permanent=false: cannot look up MX of x.example: DNS did not answer within 5s") {
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if n, took := len(s.Asked()), time.Since(began); n > 2 || took > 15*time.Second {
			t.Errorf("%d questions, %v", n, took)
		}
		routed(r, "x.example", s.Addr)
		if n := len(s.Asked()); n != 0 {
			t.Errorf("asked anew at once: %d questions", n)
		}
		s.Script("x.example A 198.51.100.1\n")
		time.Sleep(2 * rememberFault)
		if got := routed(r, "x.example", s.Addr); !strings.HasSuffix(got, "x.example=198.51.100.1:25") {
			t.Errorf("the DNS is back, and: %s", got)
		}
	})
}

// A record is believed for its TTL, between floor and ceiling, and half a minute
// more at most.
func TestDN10TTL(t *testing.T) {
	t.Parallel()
	conf := lookupRouter
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "zero.example 0 MX 10 a.example\nlong.example 2147483647 MX 10 a.example\na.example 0 A 198.51.100.1\n")
		r := routerOn(t, conf, s)
		defer s.Close()
		ask := func(domain string) int {
			s.Asked()
			routed(r, domain, s.Addr)
			return len(slices.DeleteFunc(s.Asked(), func(q string) bool { return !strings.HasPrefix(q, "udp MX") }))
		}
		if ask("zero.example") != 1 || ask("long.example") != 1 {
			t.Error("not asked at first")
		}
		if ask("zero.example") != 0 {
			t.Error("TTL 0 is asked for each message")
		}
		time.Sleep(remember + time.Second)
		if ask("zero.example") != 1 || ask("long.example") != 0 {
			t.Error("after half a minute: TTL 0 is still believed, or a long one not")
		}
		time.Sleep(time.Hour)
		if ask("long.example") != 1 {
			t.Error("a TTL of 68 years is believed for more than an hour")
		}
	})
}

// The domains of one message are looked up side by side.
func TestDomainsOfAMessageAreLookedUpTogether(t *testing.T) {
	t.Parallel()
	conf := lookupRouter
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "* MX !slow 2s\nx.example A 198.51.100.1\n")
		r := routerOn(t, conf, s)
		defer s.Close()
		var rcpts []string
		for i := range atOnce {
			rcpts = append(rcpts, fmt.Sprintf("u@d%d.example", i))
		}
		env, all := envelope(rcpts...)
		began := time.Now()
		_, faults := r.Route(t.Context(), env, all)
		if took := time.Since(began); took > 3*time.Second || len(faults) != atOnce {
			t.Errorf("%v for %d faults", took, len(faults))
		}
	})
}
