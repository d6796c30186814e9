package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// The first [[site]] that a next hop matches is its own: by name or by address, in any
// case of letters.
func TestSiteOf(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.toml")
	text := `
[[site]]
name = "one"
match = "!bad.one.example : *.one.example : 192.0.2.0/28"
[[site]]
name = "rest"
match = ["*.example"]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"mx.one.example": "one", "MX.One.Example": "one", "bad.one.example": "rest", "mx.two.example": "rest", "mx.two.test": "",
	} {
		if site, _ := cfg.SiteOf(host, netip.MustParseAddr("198.51.100.1")); siteName(site) != want {
			t.Errorf("%s is of site %q, want %q", host, siteName(site), want)
		}
	}
	if site, item := cfg.SiteOf("mx.two.test", netip.MustParseAddr("192.0.2.7")); siteName(site) != "one" || item != "192.0.2.0/28" {
		t.Errorf("192.0.2.7 is of %q by %q", siteName(site), item)
	}
}

func siteName(s *Site) string {
	if s == nil {
		return ""
	}
	return s.Name
}
