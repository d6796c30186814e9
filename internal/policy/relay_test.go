package policy

import (
	"testing"

	"mtad/internal/lists"
)

func TestRelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		facts  RelayFacts
		accept bool
		reason Reason
	}{
		{"stranger to stranger", RelayFacts{Local: "u"}, false, RelayDenied},
		{"to a relay domain", RelayFacts{Local: "u", Domain: lists.Yes}, true, RelayDomain},
		{"from a relay host", RelayFacts{Local: "u", Host: lists.Yes}, true, RelayHost},
		{"domain not to be had", RelayFacts{Local: "u", Domain: lists.Unknown}, false, RelayDenied},
		{"host not to be had", RelayFacts{Local: "u", Host: lists.Unknown}, false, RelayDenied},
		{"postmaster", RelayFacts{Local: "postmaster", Postmaster: true}, true, Postmaster},
		{"authenticated, from a listed host", RelayFacts{Local: "u", Authorized: true, AuthHost: lists.Yes}, true, RelayAuth},
		{"authenticated, from another", RelayFacts{Local: "u", Authorized: true}, false, RelayDenied},
		{"a listed host, not authenticated", RelayFacts{Local: "u", AuthHost: lists.Yes}, false, RelayDenied},
		{"in TLS, from a listed host", RelayFacts{Local: "u", TLS: true, TLSHost: lists.Yes}, true, RelayTLS},
		{"in TLS, from another", RelayFacts{Local: "u", TLS: true}, false, RelayDenied},
		{"a listed host, not in TLS", RelayFacts{Local: "u", TLSHost: lists.Yes}, false, RelayDenied},
		{"percent hack", RelayFacts{Local: "u%ext.test", Domain: lists.Yes}, false, RestrictedName},
		{"bang path", RelayFacts{Local: "ext.test!u", Domain: lists.Yes}, false, RestrictedName},
		{"quoted address", RelayFacts{Local: `"u@ext.test"`, Domain: lists.Yes}, false, RestrictedName},
		{"pipe", RelayFacts{Local: "|id", Domain: lists.Yes}, false, RestrictedName},
		{"quoted pipe", RelayFacts{Local: `"|id"`, Domain: lists.Yes}, false, RestrictedName},
		{"file", RelayFacts{Local: "/etc/passwd", Domain: lists.Yes}, false, RestrictedName},
		{"path", RelayFacts{Local: "a/../b", Domain: lists.Yes}, false, RestrictedName},
		{"X.400 is no path", RelayFacts{Local: "g=x/s=y", Domain: lists.Yes}, true, RelayDomain},
		{"percent hack from a relay host", RelayFacts{Local: "u%ext.test", Host: lists.Yes}, true, RelayHost},
	} {
		if got := Relay(c.facts); got != (Verdict{c.accept, c.reason}) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	for answer, want := range map[lists.Answer]Verdict{
		lists.No: {true, HostUnlisted}, lists.Yes: {false, HostListed}, lists.Unknown: {false, HostListed},
	} {
		if got := Connect(answer); got != want {
			t.Errorf("%v: %+v", answer, got)
		}
	}
}

// What cannot be known now counts as the stricter answer.
func TestUnknownIsTheStricter(t *testing.T) {
	t.Parallel()
	for answer, want := range map[lists.Answer]struct{ grants, demands bool }{
		lists.No: {false, false}, lists.Yes: {true, true}, lists.Unknown: {false, true},
	} {
		if Grants(answer) != want.grants || Demands(answer) != want.demands {
			t.Errorf("%v: grants %v, demands %v", answer, Grants(answer), Demands(answer))
		}
	}
}
