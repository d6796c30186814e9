package route

import (
	"strings"
	"testing"
)

// What an operator says goes before what the routers say, for those recipients alone, and never
// costs a message.
func TestReroute(t *testing.T) {
	t.Parallel()
	r := testRouter(t, routers+"[[router]]\nname = \"dns\"\ndriver = \"lookuphost\"\ndomains = \"!*\"\n", zone+"x.example * !nxdomain\n")
	env, all := envelope("u@x.example", "v@x.example", "w@x.example", "u@a.partner.example", "u@elsewhere.test", "x@x.example", "y@x.example", "z@x.example", "u@b.partner.example", "a@x.example")
	for i, to := range []string{"", "router=partners", "hosts=mx.example.com,192.0.2.77:2600", "router=local", "hosts=192.0.2.77", "hosts=none.example.com", "router=gone", "hosts=192.0.2.1", "hosts=192.0.2.1", "router=dns"} {
		env.Recipients[i].Route = to
	}
	want := `[0 3] R=local T=smtp lane=smtp|192.0.2.20:25,192.0.2.21:2525,192.0.2.99:25: 192.0.2.20=192.0.2.20:25 192.0.2.21=192.0.2.21:2525 192.0.2.99=192.0.2.99:25
[2] R=local T=smtp lane=smtp|mx.example.com:25,192.0.2.77:2600: mx.example.com=198.51.100.1:25 mx.example.com=[2001:db8::25]:25 192.0.2.77=192.0.2.77:2600
[7 8] R=local T=smtp lane=smtp|192.0.2.1:25: 192.0.2.1=192.0.2.1:25
[1] R= permanent=false: rerouted to router=partners: its route_list has no entry for the domain, and it has no hosts
[4] R= permanent=false: rerouted to hosts=192.0.2.77: no router takes the domain, so there is no transport to reach them by
[5] R=local permanent=false: host none.example.com has no address
[6] R= permanent=false: rerouted to router=gone: there is no router "gone"; there are partners, local, dns
[9] R=dns permanent=false: the domain x.example does not exist
`
	for range 2 { // made, and remembered
		if got := show(r.Route(t.Context(), env, all)); got != want {
			t.Errorf("got\n%s", got)
		}
	}
	if dests, faults, ok := r.Known(env, all); !ok || show(dests, faults) != want {
		t.Error("not remembered")
	}
	for to, wrong := range map[string]string{
		"router=local": "", "hosts=mx.example.com": "", "hosts=mx:example.com:26,[2001:db8::1]:25,192.0.2.1": "",
		"router=locla": `(did you mean "local"?)`, "router=": "there are partners, local", "hosts=": "name of a host is missing", "hosts=a b": "", "x": "neither",
		"hosts=a.example,": "missing", "hosts=" + strings.Repeat("a.example,", 200): "1000 are the most", "hosts=a:0": "port",
	} {
		err := r.CheckTarget(to)
		if wrong == "" && to != "hosts=a b" {
			if err != nil {
				t.Errorf("%s: %v", to, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%.50s: %v", to, err)
		}
	}
}
