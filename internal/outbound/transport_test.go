package outbound

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/lists"
)

// transportWith makes the transport of a configuration ready.
func transportWith(t *testing.T, dir string, options ...string) *Transport {
	t.Helper()
	file := filepath.Join(dir, "config.toml")
	text := "primary_hostname = \"relay.test\"\n[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = \"192.0.2.1\"\n[transport.smtp]\n" + strings.Join(options, "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return Transports(cfg, "1.0", certs.NewStore(certs.Options{Dir: dir}))["smtp"]
}

func hostNamed(name, addr string) Target {
	a := netip.MustParseAddrPort(addr)
	return Target{Name: name, Addr: a, IP: a.Addr().String()}
}

var mx = hostNamed("mx.y.example", "192.0.2.9:25")

// What does not depend on the host is worked out once.
func TestSettingsAreSharedWhereNothingVaries(t *testing.T) { // not parallel: it counts allocations
	s := transportWith(t, t.TempDir(), `interface = "192.0.2.3"`)
	a, _ := s.Settings(mx)
	b, _ := s.Settings(hostNamed("other", "192.0.2.10:25"))
	if a != b || a.Helo != "relay.test" || a.Interface != "192.0.2.3" {
		t.Errorf("%+v, %+v", a, b)
	}
	if n := testing.AllocsPerRun(100, func() { s.Settings(mx) }); n > 0 {
		t.Errorf("%v allocations for a message in clear", n)
	}
}

func TestExpandedForEachHost(t *testing.T) {
	t.Parallel()
	s := transportWith(t, t.TempDir(),
		`helo_data = "${if match{$host}{^mx}{mail.$primary_hostname}fail}"`, `interface = "${if eq{$host_address}{192.0.2.9}{192.0.2.3}}"`)
	for host, want := range map[Target][2]string{
		mx:                                  {"mail.relay.test", "192.0.2.3"},
		hostNamed("other", "192.0.2.10:25"): {"relay.test", ""}, // C9: forced to fail, as if unset
	} {
		got, f := s.Settings(host)
		if f != nil || got.Helo != want[0] || got.Interface != want[1] {
			t.Errorf("%s: %+v %v, want %q", host.Name, got, f, want)
		}
	}
	faulty := transportWith(t, t.TempDir(), `helo_data = "${lookup{$host}lsearch{no-such-file}}"`)
	if _, f := faulty.Settings(mx); f == nil || f.Scope != ScopeHost || !strings.Contains(f.Text, "helo_data: ") {
		t.Errorf("a faulty helo_data: %v", f)
	}
}

// The lists of section 5: by name, by address; the stricter answer where a list
// cannot be read now.
func TestTLSLists(t *testing.T) {
	t.Parallel()
	s := transportWith(t, t.TempDir(), `hosts_avoid_tls = "192.0.2.9 : *.old.example"`, `hosts_require_tls = "*.y.example"`)
	for host, want := range map[Target][2]string{
		mx: {"192.0.2.9", "*.y.example"},
		hostNamed("a.old.example", "192.0.2.7:25"): {"*.old.example", ""},
		hostNamed("192.0.2.9", "192.0.2.9:25"):     {"192.0.2.9", ""},
		hostNamed("z.example", "192.0.2.8:25"):     {"", ""},
	} {
		got, f := s.Settings(host)
		if f != nil || got.TLS.Avoid != want[0] || got.TLS.Require != want[1] {
			t.Errorf("%s: avoid %q, require %q, %v; want %q", host.Name, got.TLS.Avoid, got.TLS.Require, f, want)
		}
	}
	unknown := lists.Host{Addr: mx.Addr.Addr(), Names: func() ([]string, error) { return nil, errors.New("not now") }}
	l, err := lists.ParseHosts([]string{"some.example"}, lists.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if matches(l, unknown, lists.Yes) != "" || matches(l, unknown, lists.Yes, lists.Unknown) == "" {
		t.Error("what cannot be known now is not answered as the caller wants")
	}
}

// C6, C9: options expanded for a host; a name out of the DNS names no file.
func TestTLSOptionsForAHost(t *testing.T) {
	t.Parallel()
	s := transportWith(t, t.TempDir(),
		`tls_certificate = "${if eq{$host_address}{192.0.2.9}{$host_address.pem}fail}"`,
		`tls_verify_ciphers = "${if eq{$host}{mx.y.example}{HIGH}fail}"`,
		`tls_verify_certificates = "${if eq{$host}{bad}{/etc/$host.pem}fail}"`)
	got, _, err := s.Options(mx)
	if want := (certs.Client{Certificate: "192.0.2.9.pem", Ciphers: "HIGH", VerifyName: true}); err != nil || got != want {
		t.Errorf("%+v %v", got, err)
	}
	if got, _, err = s.Options(hostNamed("other", "192.0.2.10:25")); err != nil || got != (certs.Client{VerifyName: true}) {
		t.Errorf("C9: %+v %v", got, err)
	}
	if _, _, err = s.Options(hostNamed("bad", "192.0.2.10:25")); err == nil || !strings.Contains(err.Error(), "tls_verify_certificates: ") {
		t.Errorf("a file is named by the network: %v", err)
	}
}
