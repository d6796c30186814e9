package route

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtad/internal/resolver/resolvertest"
)

func explained(t Trace) string {
	var b strings.Builder
	for _, a := range t.Asked {
		fmt.Fprintf(&b, "%s takes=%v unknown=%v %q %s\n", a.Router, a.Takes, a.Unknown, a.Item, a.Why)
	}
	fmt.Fprintf(&b, "%s R=%s T=%s overridden=%v primary=%d of", t.Domain, t.Dest.Router, t.Dest.Transport, t.Overridden, t.Primary)
	for _, h := range t.Dest.Hosts {
		fmt.Fprintf(&b, " %s=%s", h.Name, h.Addr)
	}
	fmt.Fprintf(&b, " without %q fault %q permanent=%v\n", t.Without, t.Fault, t.Permanent)
	return b.String()
}

func TestExplain(t *testing.T) {
	t.Parallel()
	r := testRouter(t, routers+`
[[router]]
name = "some"
driver = "domainlist"
domains = ["*.test"]
route_list = { "a.test" = "none.example.com mx.example.com", "b.test" = "none.example.com" }
`, zone)
	for address, want := range map[string]string{
		"u@x.b.partner.example": `partners takes=true unknown=false "*.partner.example" route_list names a domain above it
x.b.partner.example R=partners T=slow overridden=false primary=1 of 2001:db8::1=[2001:db8::1]:2500 192.0.2.98=192.0.2.98:2600 without [] fault "" permanent=false
`,
		"u@no.partner.example": `partners takes=false unknown=false "!no.partner.example" its domains take it out
local takes=true unknown=false "*.example" the domain is among its domains
no.partner.example R=local T=smtp overridden=false primary=2 of 192.0.2.20=192.0.2.20:25 192.0.2.21=192.0.2.21:2525 192.0.2.99=192.0.2.99:25 without [] fault "" permanent=false
`,
		"u@a.test": `partners takes=false unknown=false "" the domain is not among its domains
local takes=false unknown=false "" the domain is not among its domains
some takes=true unknown=false "*.test" route_list names the domain
a.test R=some T=smtp overridden=false primary=2 of mx.example.com=198.51.100.1:25 mx.example.com=[2001:db8::25]:25 without ["host none.example.com has no address"] fault "" permanent=false
`,
		"u@b.test": `partners takes=false unknown=false "" the domain is not among its domains
local takes=false unknown=false "" the domain is not among its domains
some takes=true unknown=false "*.test" route_list names the domain
b.test R=some T=smtp overridden=false primary=0 of without ["host none.example.com has no address"] fault "host none.example.com has no address" permanent=false
`,
	} {
		if got := explained(r.Explain(t.Context(), address)); got != want {
			t.Errorf("%s:\n%swant\n%s", address, got, want)
		}
	}
	if got := explained(r.Explain(t.Context(), "u@c.test")); !strings.Contains(got, `some takes=false unknown=false "*.test" the domain is among its domains, but route_list has no entry for it`) {
		t.Errorf("no route:\n%s", got)
	}
}

// Mail waits where a list of domains cannot be read.
func TestExplainUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "domains")
		if err := os.WriteFile(file, []byte("a.org\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := resolvertest.Pipe(t, zone)
		defer s.Close()
		r := routerOn(t, "[[router]]\nname = \"file\"\ndriver = \"domainlist\"\nhosts = \"192.0.2.1\"\ndomains = \""+file+"\"\n", s)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // how often it is looked at
		got := explained(r.Explain(t.Context(), "u@elsewhere.org"))
		if !strings.Contains(got, `file takes=false unknown=true "`+file) || !strings.Contains(got, "its domains cannot be told now") || !strings.Contains(got, "permanent=false") {
			t.Errorf("a list that cannot be read:\n%s", got)
		}
	})
}

func TestRetryExplain(t *testing.T) {
	t.Parallel()
	r := NewRetry(load(t, someRouter+`
[[retry]]
domains = "*.example"
errors = ["tls"]
rule = "F,90s,10s"
[[retry]]
domains = "other.test"
rule = "F,1w,1d"
[[retry]]
domains = "a.example"
rule = "G,16h,1h,1.5"
`).Retry)
	for domain, want := range map[string]string{
		"a.example":  `[{1 [tls] *.example F,90s,10s} {3 [] a.example G,16h,1h,1.5}]`,
		"b.example":  `[{1 [tls] *.example F,90s,10s} {0 [] * F,2h,15m; G,16h,1h,1.5; F,4d,6h}]`,
		"other.test": `[{2 [] other.test F,1w,1d}]`,
	} {
		if got := fmt.Sprint(r.Explain(domain)); got != want {
			t.Errorf("%s: %s", domain, got)
		}
	}
}

// hosts_override of the transport: its hosts stand in for those of every router,
// and are one lane; without it they are for routers that name none.
func TestHostsOfTheTransport(t *testing.T) {
	t.Parallel()
	text := `
[[router]]
name = "named"
driver = "domainlist"
domains = "*.named.example"
hosts = "192.0.2.1"
route_list = { "x.named.example" = "192.0.2.2" }
fallback_hosts = "192.0.2.8"
[[router]]
name = "bare"
driver = "domainlist"
[transport.smtp]
hosts = ["192.0.2.40:26", "mx.example.com"]
fallback_hosts = "192.0.2.9"
`
	const own, ours = "192.0.2.40:26,mx.example.com:25,", "smtp|192.0.2.40:26,mx.example.com:25,192.0.2.9:25"
	for _, c := range []struct {
		more string
		want []string // the lanes of these three
	}{
		{"", []string{"smtp|192.0.2.1:25,192.0.2.8:25", "smtp|192.0.2.2:25,192.0.2.8:25", ours}},
		{"hosts_override = true\n", []string{"smtp|" + own + "192.0.2.8:25", "smtp|" + own + "192.0.2.8:25", ours}},
	} {
		r := testRouter(t, text+c.more, zone)
		var lanes []string
		for _, a := range []string{"u@a.named.example", "u@x.named.example", "u@y.example"} {
			trace := r.Explain(t.Context(), a)
			lanes = append(lanes, trace.Dest.Lane)
			if trace.Overridden != (c.more != "") || trace.Fault != "" {
				t.Errorf("%s: %+v", a, trace)
			}
		}
		if !slices.Equal(lanes, c.want) {
			t.Errorf("%q: %q", c.more, lanes)
		}
	}
}
