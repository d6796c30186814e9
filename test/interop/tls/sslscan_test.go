//go:build interop

package tls

import (
	"context"
	"encoding/xml"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// scan is what sslscan writes with --xml, as far as it can be a finding.
type scan struct {
	Protocols []struct {
		Type    string `xml:"type,attr"`
		Version string `xml:"version,attr"`
		Enabled bool   `xml:"enabled,attr"`
	} `xml:"ssltest>protocol"`
	Renegotiation *struct {
		Supported bool `xml:"supported,attr"`
		Secure    bool `xml:"secure,attr"`
	} `xml:"ssltest>renegotiation"`
	Compression *struct { // missing where sslscan's OpenSSL cannot compress
		Supported bool `xml:"supported,attr"`
	} `xml:"ssltest>compression"`
	Heartbleed []struct {
		Version    string `xml:"sslversion,attr"`
		Vulnerable bool   `xml:"vulnerable,attr"`
	} `xml:"ssltest>heartbleed"`
	Ciphers []struct {
		Version  string `xml:"sslversion,attr"`
		Name     string `xml:"cipher,attr"`
		Bits     int    `xml:"bits,attr"`
		Strength string `xml:"strength,attr"`
	} `xml:"ssltest>cipher"`
	Groups []struct {
		Name string `xml:"name,attr"`
		Bits int    `xml:"bits,attr"`
	} `xml:"ssltest>group"`
	Certificates []struct {
		Signature string `xml:"signature-algorithm"`
		Key       struct {
			Error bool `xml:"error,attr"`
		} `xml:"pk"`
		Expired bool `xml:"expired"`
	} `xml:"ssltest>certificates>certificate"`
}

// sslscan finds nothing. That the certificate is self-signed is not looked at.
func TestSslscan(t *testing.T) {
	trees := packages(t, "sslscan")
	mtad, _ := relay(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(trees[0], "usr/bin/sslscan"), "--starttls-smtp", "--xml=-", mtad.Addr).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var s scan
	if err := xml.Unmarshal(out, &s); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	protocols(t, &s)
	ciphers(t, &s)
	if s.Renegotiation == nil || s.Renegotiation.Supported && !s.Renegotiation.Secure {
		t.Errorf("renegotiation: %+v", s.Renegotiation)
	}
	if s.Compression != nil && s.Compression.Supported {
		t.Error("compression: CRIME")
	}
	if len(s.Certificates) != 1 || s.Certificates[0].Key.Error || s.Certificates[0].Expired || s.Certificates[0].Signature != "ecdsa-with-SHA256" {
		t.Errorf("certificates: %+v", s.Certificates)
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// protocols wants TLS 1.2 and 1.3 alone, and neither of them bleeding.
func protocols(t *testing.T, s *scan) {
	if len(s.Protocols) != 6 {
		t.Errorf("%d protocols tried", len(s.Protocols))
	}
	for _, p := range s.Protocols {
		if good := p.Type == "tls" && (p.Version == "1.2" || p.Version == "1.3"); p.Enabled != good {
			t.Errorf("%s %s: enabled is %t", p.Type, p.Version, p.Enabled)
		}
	}
	if len(s.Heartbleed) != 2 {
		t.Errorf("Heartbleed tried in %v", s.Heartbleed)
	}
	for _, h := range s.Heartbleed {
		if h.Vulnerable {
			t.Errorf("%s: Heartbleed", h.Version)
		}
	}
}

// ciphers wants them strong: sslscan calls CBC acceptable, and no cipher of TLS
// 1.3 better than that.
func ciphers(t *testing.T, s *scan) {
	if len(s.Ciphers) == 0 || len(s.Groups) == 0 {
		t.Error("no cipher or no group found")
	}
	for _, c := range s.Ciphers {
		if c.Bits < 128 || c.Strength != "strong" && (c.Version != "TLSv1.3" || c.Strength != "acceptable") {
			t.Errorf("%s %s: %d bits, %s", c.Version, c.Name, c.Bits, c.Strength)
		}
	}
	for _, g := range s.Groups {
		if g.Bits < 128 {
			t.Errorf("group %s: %d bits", g.Name, g.Bits)
		}
	}
}
