package route

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mtad/internal/resolver"
	"mtad/internal/resolver/resolvertest"
	"mtad/spool"
)

const routers = `
primary_hostname = "relay.example.net"
[[router]]
name = "partners"
driver = "domainlist"
domains = ["!no.partner.example", "*.partner.example", "[192.0.2.9]"]
route_list = { "a.partner.example" = "192.0.2.10:26 mx.example.com", "*.b.partner.example" = ["[2001:db8::1]:2500"], "[192.0.2.9]" = "192.0.2.9" }
transport = "slow"
[[router]]
name = "local"
driver = "domainlist"
domains = ["*.example", "@"]
hosts = ["192.0.2.20", "192.0.2.21:2525"]
fallback_hosts = "192.0.2.99"
[transport.slow]
port = 2600
fallback_hosts = ["192.0.2.98"]
`

// zone is the DNS of these tests.
const zone = `
mx.example.com A 198.51.100.1
mx.example.com AAAA 2001:db8::25
none.example.com TXT here
bad.example.com * !servfail
`

// testRouter routes by a scripted DNS, on a machine that is 192.0.2.1.
func testRouter(t testing.TB, conf, script string) *Router {
	t.Helper()
	return routerOn(t, conf, resolvertest.New(t, script))
}

func routerOn(t testing.TB, conf string, s *resolvertest.Server) *Router {
	t.Helper()
	c := resolver.Config{Servers: []string{s.Addr}, HostsFile: filepath.Join(t.TempDir(), "hosts")}
	if s.Addr == "192.0.2.53:53" {
		c.Dial = s.Dial
	}
	dns, err := resolver.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	r := New(load(t, conf), dns)
	r.Reachable = func(Host) bool { return true }
	r.here.addrs = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} }
	return r
}

func envelope(rcpts ...string) (*spool.Envelope, []int) {
	env := &spool.Envelope{}
	var all []int
	for i, r := range rcpts {
		env.Recipients = append(env.Recipients, spool.Recipient{Address: r})
		all = append(all, i)
	}
	return env, all
}

// show writes what routing said, for comparing.
func show(dests []Destination, faults []Fault) string {
	var b strings.Builder
	for _, d := range dests {
		fmt.Fprintf(&b, "%v R=%s T=%s lane=%s:", d.Recipients, d.Router, d.Transport, d.Lane)
		for _, h := range d.Hosts {
			fmt.Fprintf(&b, " %s=%s", h.Name, h.Addr)
		}
		b.WriteByte('\n')
	}
	for _, f := range faults {
		fmt.Fprintf(&b, "%v R=%s permanent=%v: %s\n", f.Recipients, f.Router, f.Permanent, f.Text)
	}
	return b.String()
}

func TestRoute(t *testing.T) {
	t.Parallel()
	r := testRouter(t, routers, zone)
	env, all := envelope("u@a.partner.example", "u@x.example", "v@a.partner.example", "u@b.partner.example",
		"u@c.b.partner.example", "u@no.partner.example", "u@elsewhere.test", "u@[192.0.2.9]", "u@[192.0.2.7]", "postmaster")
	want := `[0 2] R=partners T=slow lane=slow|192.0.2.10:26,mx.example.com:2600,192.0.2.98:2600: 192.0.2.10=192.0.2.10:26 mx.example.com=198.51.100.1:2600 mx.example.com=[2001:db8::25]:2600 192.0.2.98=192.0.2.98:2600
[1 3 5 9] R=local T=smtp lane=smtp|192.0.2.20:25,192.0.2.21:2525,192.0.2.99:25: 192.0.2.20=192.0.2.20:25 192.0.2.21=192.0.2.21:2525 192.0.2.99=192.0.2.99:25
[4] R=partners T=slow lane=slow|[2001:db8::1]:2500,192.0.2.98:2600: 2001:db8::1=[2001:db8::1]:2500 192.0.2.98=192.0.2.98:2600
[7] R=partners T=slow lane=slow|192.0.2.9:2600,192.0.2.98:2600: 192.0.2.9=192.0.2.9:2600 192.0.2.98=192.0.2.98:2600
[6 8] R= permanent=true: Unrouteable address
`
	if _, _, ok := r.Known(env, all); ok {
		t.Error("known before anything was asked")
	}
	if got := show(r.Route(t.Context(), env, all)); got != want {
		t.Errorf("got\n%s", got)
	}
	dests, faults, ok := r.Known(env, all)
	if got := show(dests, faults); !ok || got != want {
		t.Errorf("remembered\n%s", got)
	}
	if got := show(r.Route(t.Context(), env, []int{2})); !strings.HasPrefix(got, "[2] R=partners") {
		t.Errorf("one recipient: %s", got)
	}
}

// An address literal is not part of "all domains".
func TestLiteralIsNotEverything(t *testing.T) {
	t.Parallel()
	r := testRouter(t, someRouter, zone)
	env, all := envelope("u@[127.0.0.1]", "u@[IPv6:::1]")
	if got := show(r.Route(t.Context(), env, all)); got != "[0 1] R= permanent=true: Unrouteable address\n" {
		t.Error(got)
	}
}

func TestManyLanesAndFaults(t *testing.T) {
	t.Parallel()
	var conf strings.Builder
	conf.WriteString("[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nroute_list = [")
	var rcpts []string
	for i := range 50 {
		fmt.Fprintf(&conf, "\"d%d.example 127.1.0.%d\",", i, i+1)
		rcpts = append(rcpts, fmt.Sprintf("a@d%d.example", i), fmt.Sprintf("b@d%d.example", i), fmt.Sprintf("a@x%d.test", i))
	}
	r := testRouter(t, conf.String()+"]\n", zone)
	env, all := envelope(rcpts...)
	dests, faults := r.Route(t.Context(), env, all)
	if len(dests) != 50 || len(faults) != 1 || len(faults[0].Recipients) != 50 {
		t.Fatalf("%d destinations, %d faults", len(dests), len(faults))
	}
	for i, d := range dests {
		if !slices.Equal(d.Recipients, []int{3 * i, 3*i + 1}) {
			t.Errorf("destination %d has %v", i, d.Recipients)
		}
	}
}

func TestRandomizeHosts(t *testing.T) {
	t.Parallel()
	r := testRouter(t, someRouter+`
randomize_hosts = true
fallback_hosts = "192.0.2.9"
route_list = { "x.example" = ["192.0.2.1", "192.0.2.2", "192.0.2.3"] }
`, zone)
	env, all := envelope("u@x.example")
	seen := map[netip.AddrPort]bool{}
	for range 200 {
		dests, _ := r.Route(t.Context(), env, all)
		seen[dests[0].Hosts[0].Addr] = true
		if last := dests[0].Hosts[3].Name; last != "192.0.2.9" {
			t.Fatalf("the fallback host is not last: %s", last)
		}
	}
	if len(seen) != 3 {
		t.Errorf("first hosts: %v", seen)
	}
}

func TestLookupFaults(t *testing.T) {
	t.Parallel()
	for hosts, want := range map[string]string{
		`"none.example.com"`:                  "[0] R=r permanent=false: host none.example.com has no address\n",
		`"gone.example.com"`:                  "[0] R=r permanent=false: host gone.example.com does not exist\n",
		`"bad.example.com"`:                   "[0] R=r permanent=false: cannot look up A or AAAA of bad.example.com: DNS says SERVFAIL\n",
		`"bad.example.com mx.example.com:26"`: "[0] R=r T=smtp lane=smtp|bad.example.com:25,mx.example.com:26: mx.example.com=198.51.100.1:26 mx.example.com=[2001:db8::25]:26\n",
		`"mx.example.com 198.51.100.1:25"`:    "[0] R=r T=smtp lane=smtp|mx.example.com:25,198.51.100.1:25: mx.example.com=198.51.100.1:25 mx.example.com=[2001:db8::25]:25\n",
	} {
		s := resolvertest.New(t, zone)
		r := routerOn(t, "[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = "+hosts+"\n", s)
		env, all := envelope("u@x.example")
		got := strings.ReplaceAll(show(r.Route(t.Context(), env, all)), s.Addr, "DNS")
		if got = strings.ReplaceAll(got, "look up A of", "look up A or AAAA of"); got != want {
			t.Errorf("%s: %s", hosts, got)
		}
	}
}

// A panic in a look-up, which runs in a goroutine of its own, is the caller's:
// he knows what to make of it.
func TestLookupPanicIsTheCallers(t *testing.T) {
	t.Parallel()
	r := New(load(t, "[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = \"mx.example.com mx.example.org\"\n"), nil)
	env, all := envelope("u@x.example")
	defer func() {
		if recover() == nil {
			t.Error("no panic without a DNS")
		}
	}()
	r.Route(t.Context(), env, all)
}

// What strangers choose does not grow without bound, and what is in use stays.
func TestDecisionsAreBounded(t *testing.T) {
	t.Parallel()
	var c decisions
	now := time.Now()
	d := &decision{until: now.Add(remember)}
	for i := range 5 * maxDecisions {
		c.put(question{domain: fmt.Sprint(i)}, d)
		if i == 0 || i%(maxDecisions/2) == 0 {
			if c.get(question{domain: "0"}, now) == nil {
				t.Fatalf("forgot what is in use, at %d", i)
			}
		}
	}
	if n := len(c.young) + len(c.old); n > 2*maxDecisions {
		t.Errorf("%d decisions", n)
	}
	if first := (question{domain: "0"}); c.get(first, now.Add(remember)) != nil || c.get(first, now.Add(-time.Second)) != nil {
		t.Error("remembers behind its time, or before it (a clock set back)")
	}
}

func TestHostsAreShared(t *testing.T) {
	t.Parallel()
	r := testRouter(t, someRouter, zone)
	env, all := envelope("a@x.example", "b@y.example")
	one, _ := r.Route(t.Context(), env, all)
	if len(one) != 1 || !reflect.DeepEqual(one[0].Recipients, []int{0, 1}) {
		t.Errorf("two domains of one lane: %+v", one)
	}
}

func BenchmarkRoute(b *testing.B) {
	var conf strings.Builder
	conf.WriteString("[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nroute_list = [")
	for i := range 1000 {
		fmt.Fprintf(&conf, "\"d%d.example 127.1.%d.%d\",", i, i/250, i%250+1)
	}
	r := testRouter(b, conf.String()+"]\n", zone)
	env, all := envelope("someone@d777.example")
	b.ReportAllocs()
	for b.Loop() {
		r.Route(b.Context(), env, all)
	}
}
