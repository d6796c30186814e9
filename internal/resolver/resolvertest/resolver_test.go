package resolvertest_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtad/internal/resolver"
	"mtad/internal/resolver/resolvertest"
)

// dial makes a resolver over the server without a network and without the
// machine's own /etc/hosts.
func dial(t *testing.T, s *resolvertest.Server, change ...func(*resolver.Config)) *resolver.Resolver {
	t.Helper()
	c := resolver.Config{Servers: []string{s.Addr}, Dial: s.Dial, HostsFile: filepath.Join(t.TempDir(), "hosts")}
	for _, f := range change {
		f(&c)
	}
	r, err := resolver.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// say asks "addrs NAME", "mx NAME" or "names ADDRESS" and returns the outcome as
// one line.
func say(t *testing.T, r *resolver.Resolver, what string) string {
	t.Helper()
	verb, arg, _ := strings.Cut(what, " ")
	var found []string
	var err error
	switch verb {
	case "addrs":
		var addrs []netip.Addr
		addrs, err = r.LookupAddrs(t.Context(), arg)
		for _, a := range addrs {
			found = append(found, a.String())
		}
	case "mx":
		var all []resolver.MX
		all, err = r.LookupMX(t.Context(), arg)
		for _, m := range all {
			found = append(found, fmt.Sprint(m.Preference, " ", m.Host, map[bool]string{true: "NULL"}[m.Null]))
		}
	case "names":
		found, err = r.ReverseNames(t.Context(), netip.MustParseAddr(arg))
	default:
		t.Fatalf("cannot ask %q", what)
	}
	if err != nil {
		if found != nil {
			t.Errorf("%s: both %v and the error %v", what, found, err)
		}
		return fmt.Sprintf("%v: %v", resolver.KindOf(err), err)
	}
	if found == nil {
		return "none"
	}
	return strings.Join(found, ", ")
}

// A story is a script and what a question to it comes to.
var stories = []struct{ name, script, ask, want string }{
	{"both families", "a.example A 192.0.2.1\na.example AAAA 2001:db8::1\na.example A 192.0.2.2", "addrs A.Example.",
		"192.0.2.1, 192.0.2.2, 2001:db8::1"},
	{"one family", "a.example AAAA 2001:db8::1", "addrs a.example", "2001:db8::1"},
	{"one address twice", "a.example A 192.0.2.1\nb.example CNAME a.example", "addrs b.example", "192.0.2.1"},
	{"mapped address is the IPv4 one", "a.example AAAA ::ffff:127.0.0.1", "addrs a.example", "127.0.0.1"},
	{"address in text form", "", "addrs 192.0.2.9", "192.0.2.9"},
	{"address in text form, IPv6", "", "addrs 2001:db8::9", "2001:db8::9"},
	{"no name at all", "", "addrs a..example", `nxdomain: "a..example" does not exist (it is not a domain name; not asked)`},
	{"control bytes", "", "mx a\r\nb", `nxdomain: "a\r\nb" does not exist (it is not a domain name; not asked)`},

	// DN-06: who says what decides between bounce and defer.
	{"NXDOMAIN", "b.example A 192.0.2.1", "addrs a.example", "nxdomain: a.example does not exist (192.0.2.53:53 says NXDOMAIN)"},
	{"NXDOMAIN of MX", "b.example A 192.0.2.1", "mx a.example", "nxdomain: a.example does not exist (192.0.2.53:53 says NXDOMAIN)"},
	{"no data", "a.example MX 10 b.example", "addrs a.example", "nodata: a.example has no A or AAAA record (192.0.2.53:53 says so)"},
	{"no MX", "a.example A 192.0.2.1", "mx a.example", "nodata: a.example has no MX record (192.0.2.53:53 says so)"},
	{"exists for what is below it", "x.a.example A 192.0.2.1", "mx a.example", "nodata: a.example has no MX record (192.0.2.53:53 says so)"},
	{"SERVFAIL", "* * !servfail", "mx a.example", "temporary: cannot look up MX of a.example: 192.0.2.53:53 says SERVFAIL"},
	{"REFUSED", "* * !refused", "addrs a.example", "temporary: cannot look up A of a.example: 192.0.2.53:53 says REFUSED"},
	{"NOTIMP", "* * !notimp", "mx a.example", "temporary: cannot look up MX of a.example: 192.0.2.53:53 says NOTIMP"},
	{"FORMERR", "* * !formerr", "mx a.example", "temporary: cannot look up MX of a.example: 192.0.2.53:53 says FORMERR"},
	{"an extended code is no empty answer", "a.example A 192.0.2.1\n* * !badvers", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 says BADVERS"},
	{"referral", "a.example A 192.0.2.1\n* * !no-recursion", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 does not look up names for us (no recursion)"},
	{"NXDOMAIN to one type alone is not believed", "a.example AAAA !nxdomain\na.example MX 1 b.example", "addrs a.example",
		"nodata: a.example has no A or AAAA record (192.0.2.53:53 says so)"},
	{"nor to the other", "a.example A !nxdomain\na.example MX 1 b.example", "addrs a.example",
		"nodata: a.example has no A or AAAA record (192.0.2.53:53 says so)"},
	{"silence", "* * !silent", "mx a.example", "temporary: cannot look up MX of a.example: 192.0.2.53:53 did not answer within 5s"},
	{"silent once", "a.example A 192.0.2.1\n* * !silent x2", "addrs a.example", "192.0.2.1"},
	{"slow", "a.example A 192.0.2.1\n* * !slow 4s", "addrs a.example", "192.0.2.1"},
	{"half a failure, half an answer", "a.example AAAA 2001:db8::1\na.example A !servfail", "addrs a.example", "2001:db8::1"},
	{"half a failure, half nothing", "b.example A 192.0.2.1\na.example A !servfail", "addrs a.example",
		"temporary: cannot look up A of a.example: 192.0.2.53:53 says SERVFAIL"},
	{"the other half", "b.example A 192.0.2.1\na.example AAAA !servfail", "addrs a.example",
		"temporary: cannot look up AAAA of a.example: 192.0.2.53:53 says SERVFAIL"},
	{"SERVFAIL without the question", "* * !headless", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 says SERVFAIL"},
	{"no EDNS0 there", "a.example A 192.0.2.1\n* * !formerr-edns", "addrs a.example", "192.0.2.1"},

	// MX: DN-01, DN-04.
	{"in order of preference", "a.example MX 20 c.example\na.example MX 10 MX2.example\na.example MX 10 mx1.example", "mx a.example",
		"10 mx2.example, 10 mx1.example, 20 c.example"},
	{"null MX", "a.example MX 0 .", "mx a.example", "0 NULL"},
	{"null MX among others is none", "a.example MX 0 .\na.example MX 10 b.example", "mx a.example", "10 b.example"},
	{"an exchanger that is an address", "a.example MX 0 192.0.2.1\na.example MX 10 b.example", "mx a.example", "10 b.example"},
	{"names of no host", `a.example MX 0 b\010c.example`, "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 gives MX records, and none names a host"},
	{"localhost is not asked for", "* * !servfail", "mx localhost", "nodata: localhost has no MX record (it is this machine)"},

	// Aliases: DN-03.
	{"alias", "a.example CNAME b.example\nb.example MX 5 c.example", "mx a.example", "5 c.example"},
	{"alias to nowhere", "a.example CNAME b.example", "addrs a.example", "nxdomain: a.example does not exist (192.0.2.53:53 says NXDOMAIN)"},
	{"alias without its records", "a.example CNAME b.example\nb.example A 192.0.2.1\na.example * !alias", "addrs a.example", "192.0.2.1"},
	{"alias of itself", "a.example CNAME a.example", "addrs a.example",
		"temporary: cannot look up A of a.example: 192.0.2.53:53 gives more than 8 aliases (CNAME), or a loop of them"},
	{"loop", "a.example CNAME b.example\nb.example CNAME a.example", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 gives more than 8 aliases (CNAME), or a loop of them"},
	{"loop in single steps", "a.example CNAME b.example\nb.example CNAME a.example\n* * !alias", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 gives more than 8 aliases (CNAME), or a loop of them"},
	{"eight aliases", chain(8), "addrs n0.example", "192.0.2.1"},
	{"eight aliases in single steps", chain(8) + "* * !alias", "addrs n0.example", "192.0.2.1"},
	{"nine aliases", chain(9), "addrs n0.example",
		"temporary: cannot look up A of n0.example: 192.0.2.53:53 gives more than 8 aliases (CNAME), or a loop of them"},

	// Lies: DN-08.
	{"wrong id", "a.example A 192.0.2.1\n* * !wrong-id", "addrs a.example", "192.0.2.1"},
	{"wrong question", "a.example A 192.0.2.1\n* * !wrong-question", "addrs a.example", "192.0.2.1"},
	{"wrong type", "a.example A 192.0.2.1\n* * !wrong-type", "addrs a.example", "192.0.2.1"},
	{"wrong class", "a.example A 192.0.2.1\n* * !wrong-class", "addrs a.example", "192.0.2.1"},
	{"a question for an answer", "a.example A 192.0.2.1\n* * !query", "addrs a.example", "192.0.2.1"},
	{"letters not as asked", "a.example A 192.0.2.1\n* * !wrong-case", "addrs a.example", "192.0.2.1"},
	{"a flood of guesses", "a.example A 192.0.2.1\n* * !flood", "addrs a.example", "192.0.2.1"},
	{"records of others", "a.example A 192.0.2.1\n* * !foreign b.example. A 203.0.113.66", "addrs a.example", "192.0.2.1"},
	{"records of others alone", "a.example MX 5 b.example\n* * !foreign b.example. A 203.0.113.66", "addrs a.example",
		"nodata: a.example has no A or AAAA record (192.0.2.53:53 says so)"},
	{"records of another class", "a.example MX 5 b.example\n* * !foreign a.example. CH A 203.0.113.66", "addrs a.example",
		"nodata: a.example has no A or AAAA record (192.0.2.53:53 says so)"},

	// Size.
	{"cut over UDP", "a.example A 192.0.2.1\n* * !truncate", "addrs a.example", "192.0.2.1"},
	{"cut over TCP too", "a.example MX 5 b.example\n* * !cut", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 answered what makes no sense (38 bytes)"},

	// Garbage: DN-07.
	{"a name that points at itself", "a.example * !raw c01b 0001 0001 00000001 0004 c0000201", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 answered what makes no sense (43 bytes)"},
	{"data beyond the end", "a.example * !raw c00c 000f 0001 00000001 ffff 0005", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 answered what makes no sense (41 bytes)"},
	{"an address of three bytes", "a.example * !raw c00c 0001 0001 00000001 0003 c00002", "addrs a.example",
		"temporary: cannot look up A of a.example: 192.0.2.53:53 answered what makes no sense (42 bytes)"},
	{"a name that ends after its data", "a.example * !raw c00c 000f 0001 00000001 0004 0005 0161 00", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 answered what makes no sense (44 bytes)"},
	{"a preference and no name", "a.example * !raw c00c 000f 0001 00000001 0002 0005", "mx a.example",
		"temporary: cannot look up MX of a.example: 192.0.2.53:53 answered what makes no sense (41 bytes)"},
	{"broken SVCB is stepped over", "a.example * !raw c00c 0040 0001 00000001 0006 0001 00 0001ff", "mx a.example",
		"nodata: a.example has no MX record (192.0.2.53:53 says so)"},
	{"no message", "a.example * !junk 00", "mx a.example", "temporary: cannot look up MX of a.example: 192.0.2.53:53 did not answer within 5s"},

	// Names of addresses: DN-11, OR-31, HD-02.
	{"confirmed", reverse("mx.example") + "mx.example A 192.0.2.1", "names 192.0.2.1", "mx.example"},
	{"confirmed, mapped", reverse("MX.example") + "mx.example A 192.0.2.1", "names ::ffff:192.0.2.1", "mx.example"},
	{"confirmed, IPv6", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.example\nsix.example AAAA 2001:db8::1",
		"names 2001:db8::1", "six.example"},
	{"a claim that nobody confirms", reverse("relay.example") + "relay.example A 198.51.100.1", "names 192.0.2.1", "none"},
	{"a claim to a name without address", reverse("relay.example"), "names 192.0.2.1", "none"},
	{"a claim to be localhost", reverse("localhost"), "names 192.0.2.1", "none"},
	{"one of two confirmed", reverse("relay.example", "mx.example") + "mx.example A 192.0.2.1", "names 192.0.2.1", "mx.example"},
	{"no name", "x.example A 192.0.2.1", "names 192.0.2.1", "none"},
	{"name not to be had now", "* PTR !servfail", "names 192.0.2.1",
		"temporary: cannot look up PTR of 1.2.0.192.in-addr.arpa: 192.0.2.53:53 says SERVFAIL"},
	{"not to be confirmed now", reverse("mx.example") + "* A !silent", "names 192.0.2.1",
		"temporary: cannot look up A of mx.example: 192.0.2.53:53 did not answer within 5s"},
	{"one confirmed, one not to be had", reverse("bad.example", "mx.example") + "mx.example A 192.0.2.1\nbad.example A !servfail",
		"names 192.0.2.1", "mx.example"},
	{"delegated without a class (RFC 2317)", "1.2.0.192.in-addr.arpa CNAME 1.0/25.2.0.192.in-addr.arpa\n1.0/25.2.0.192.in-addr.arpa PTR mx.example\nmx.example A 192.0.2.1",
		"names 192.0.2.1", "mx.example"},
	{"control bytes in a name", reverse(`evil\013\010.example`) + `evil\013\010.example A 192.0.2.1`, "names 192.0.2.1", "none"},
	{"a space in a name", reverse(`a\032b.example`), "names 192.0.2.1", "none"},
	{"a dot in a label", reverse(`mx\.trusted.example`) + `mx\.trusted.example A 192.0.2.1`, "names 192.0.2.1", "none"},
	{"no name in the name", reverse("."), "names 192.0.2.1", "none"},
	{"this machine", "* * !servfail", "names 127.0.0.1", "localhost"},
	{"this machine, forwards", "* * !servfail", "addrs localhost", "127.0.0.1, ::1"},
	{"what is below it", "* * !servfail", "addrs a.localhost", "127.0.0.1, ::1"},
}

func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "n%d.example CNAME n%d.example\n", i, i+1)
	}
	fmt.Fprintf(&b, "n%d.example A 192.0.2.1\n", n)
	return b.String()
}

func reverse(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "1.2.0.192.in-addr.arpa PTR %s\n", n)
	}
	return b.String()
}

func TestStories(t *testing.T) {
	t.Parallel()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := dial(t, resolvertest.Pipe(t, s.script))
				if got := say(t, r, s.ask); got != s.want {
					t.Errorf("%s\n got %s\nwant %s", s.ask, got, s.want)
				}
			})
		})
	}
}

// DN-04: however much a domain has, a bounded part of it is taken.
func TestBounds(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "a.example MX %d mx%d.example\nb.example A 10.0.%d.%d\n1.2.0.192.in-addr.arpa PTR p%d.example\np%[2]d.example A 192.0.2.1\n",
			1000-i, i, i/250, i%250, i)
	}
	s := resolvertest.New(t, b.String())
	r := dial(t, s, func(c *resolver.Config) { c.Dial = nil })
	mx, err := r.LookupMX(t.Context(), "a.example")
	if err != nil || len(mx) != 32 || mx[0].Host != "mx999.example" || mx[31].Host != "mx968.example" {
		t.Errorf("MX: %d, %v, %v", len(mx), mx, err)
	}
	if addrs, err := r.LookupAddrs(t.Context(), "b.example"); err != nil || len(addrs) != 128 {
		t.Errorf("addresses: %d, %v", len(addrs), err)
	}
	s.Asked()
	names, err := r.ReverseNames(t.Context(), netip.MustParseAddr("192.0.2.1"))
	if err != nil || len(names) != 10 {
		t.Errorf("names: %v, %v", names, err)
	}
	if asked := s.Asked(); len(asked) != 12 { // PTR over UDP and TCP, ten names
		t.Errorf("asked for %d things: %v", len(asked), asked)
	}
}

// A real server on real sockets: UDP, and TCP for what is too long.
func TestSockets(t *testing.T) {
	t.Parallel()
	s := resolvertest.New(t, "a.example A 192.0.2.1\nb.example MX 1 c.example\nb.example * !truncate\nd.example A 192.0.2.4\nd.example * !wrong-id")
	r := dial(t, s, func(c *resolver.Config) { c.Dial = nil })
	for ask, want := range map[string]string{"addrs a.example": "192.0.2.1", "mx b.example": "1 c.example", "addrs d.example": "192.0.2.4"} {
		if got := say(t, r, ask); got != want {
			t.Errorf("%s: %s", ask, got)
		}
	}
	s.Close()
	got := say(t, r, "mx gone.example")
	if !strings.HasPrefix(got, "temporary: cannot look up MX of gone.example: "+s.Addr+" cannot be asked: ") || !strings.Contains(got, "connection refused") {
		t.Errorf("a server that is gone: %s", got)
	}
}

// What is plainly no answer is passed over; what could be a good guess makes us
// ask again over TCP. Neither lie is believed.
func TestDoubt(t *testing.T) {
	t.Parallel()
	for lie, want := range map[string]string{
		"!wrong-id": "[udp]", "!wrong-question": "[udp]", "!wrong-type": "[udp]", "!wrong-class": "[udp]", "!query": "[udp]",
		"!wrong-case": "[udp tcp]", "!flood": "[udp tcp]", "!headless": "[udp tcp]",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := resolvertest.Pipe(t, "1.2.0.192.in-addr.arpa PTR mx.example\n* * "+lie)
			r := dial(t, s)
			say(t, r, "names 192.0.2.1")
			var over []string
			for _, asked := range s.Asked() {
				if network, what, _ := strings.Cut(asked, " "); strings.HasPrefix(what, "PTR") {
					over = append(over, network)
				}
			}
			if fmt.Sprint(over) != want {
				t.Errorf("%s: asked over %v, want %s", lie, over, want)
			}
		})
	}
}

// Callers that give up leave; the question goes on for those who come later.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "a.example MX 1 b.example\n* * !slow 3s")
		r := dial(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.LookupMX(ctx, "a.example")
		if !errors.Is(err, context.DeadlineExceeded) || resolver.KindOf(err) != resolver.Temporary ||
			err.Error() != "cannot look up MX of a.example: gave up waiting for an answer: context deadline exceeded" {
			t.Errorf("after a second: %v", err)
		}
		if got := say(t, r, "mx a.example"); got != "1 b.example" || len(s.Asked()) != 1 {
			t.Errorf("later: %s", got)
		}
	})
}

// Close ends what is under way, for all who wait.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := dial(t, resolvertest.Pipe(t, "* * !silent"))
		began, got := time.Now(), make(chan string)
		go func() { got <- say(t, r, "mx a.example") }()
		synctest.Wait()
		r.Close()
		if text := <-got; !strings.HasPrefix(text, "temporary: ") || time.Since(began) != 0 {
			t.Errorf("%s after %v", text, time.Since(began))
		}
	})
}
