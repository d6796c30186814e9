package outbound

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"mtad/internal/certs"
)

// craft makes a certificate that may be wrong in any way, signed by ca (nil: by
// itself).
func craft(t *testing.T, ca *party, cn string, change func(*x509.Certificate)) *party {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
	change(tmpl)
	parent, signer := tmpl, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &party{cert, key}
}

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// narrowCA is an authority that may not sign for evil.example.
func narrowCA(t *testing.T) *party {
	return craft(t, world().ca, "Narrow CA", func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		c.PermittedDNSDomainsCritical, c.ExcludedDNSDomains = true, []string{"evil.example"}
	})
}

// certificate is what a server shows, and what the client thinks of it as that of
// the host it was looking for.
type certificate struct {
	what   string
	host   string
	shows  []*party // its own first
	accept bool
	why    string // how the fault goes on
}

// certificates are THREATS CE-01 to CE-05.
func certificates(t *testing.T) []certificate {
	ca, narrow := world().ca, narrowCA(t)
	by := func(names ...string) []*party { return []*party{craft(t, ca, "mx.y.example", named(names...))} }
	below := func(names ...string) []*party {
		return []*party{craft(t, narrow, "x", named(names...)), narrow}
	}
	const mx, untrusted, wrong = "mx.y.example", "the certificate is not trusted", `the certificate is not for "`
	at := func(from, to time.Duration) []*party {
		return []*party{craft(t, ca, mx, func(c *x509.Certificate) {
			c.DNSNames, c.NotBefore, c.NotAfter = []string{mx}, time.Now().Add(from), time.Now().Add(to)
		})}
	}
	return []certificate{
		{"CE-01 in order", mx, by(mx), true, ""},
		{"CE-01 expired", mx, at(-2*time.Hour, -time.Hour), false, "the certificate expired on "},
		{"CE-01 not yet valid", mx, at(time.Hour, 2*time.Hour), false, "the certificate is valid from "},
		{"CE-01 self-signed", mx, []*party{craft(t, nil, mx, named(mx))}, false, untrusted},
		{"CE-01 unknown authority", mx, []*party{craft(t, world().stranger, mx, named(mx)), world().stranger}, false, untrusted},
		{"CE-01 self-signed, named as the authority", mx, []*party{craft(t, nil, "Test CA", named(mx)), ca}, false, untrusted},
		{"CE-01 signed by one that is no authority", mx, []*party{craft(t, world().mx, mx, named(mx)), world().mx}, false, untrusted},
		{"CE-01 of clients alone", mx, []*party{craft(t, ca, mx, func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = []string{mx}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})}, false, "the certificate is not made for a server"},

		{"CE-02 case does not count", "MX.Y.example.", by(mx), true, ""},
		{"CE-02 another name", mx, by("other.y.example"), false, wrong},
		{"CE-02 common name alone", mx, by(), false, wrong},
		{"CE-02 common name beside other names", mx, by("other.y.example", "third.y.example"), false, wrong},
		{"CE-02 a longer name", mx, by("mx.y.example.evil.example"), false, wrong},
		{"CE-02 an address as a name", "127.0.0.1", by("127.0.0.1"), false, wrong},

		{"CE-03 NUL in the common name", mx, []*party{craft(t, ca, "mx.y.example\x00.evil.example", named())}, false, wrong},
		{"CE-03 NUL in a name", mx, by("mx.y.example\x00.evil.example"), false, wrong},

		{"CE-04 one label", mx, by("*.y.example"), true, ""},
		{"CE-04 all of a top-level domain", "y.example", by("*.example"), false, wrong},
		{"CE-04 part of a label", mx, by("m*.y.example"), false, wrong},
		{"CE-04 part of an A-label", "xn--caf-dma.y.example", by("xn--*.y.example"), false, wrong},
		{"CE-04 whole A-label", "xn--caf-dma.y.example", by("*.y.example"), true, ""},
		{"CE-04 two wildcards", mx, by("*.*.example"), false, wrong},
		{"CE-04 not leftmost", mx, by("mx.*.example"), false, wrong},
		{"CE-04 everything", mx, by("*"), false, wrong},
		{"CE-04 two levels", "a.mx.y.example", by("*.y.example"), false, wrong},
		{"CE-04 no level", "y.example", by("*.y.example"), false, wrong},

		{"CE-05 not excluded", "mx.good.example", below("mx.good.example"), true, ""},
		{"CE-05 excluded", "mx.evil.example", below("mx.evil.example"), false, untrusted},
		{"CE-05 excluded, in capitals", "mx.evil.example", below("MX.EVIL.example"), false, untrusted},
		{"CE-05 excluded, by wildcard", "mx.evil.example", below("*.evil.example"), false, untrusted},
		{"CE-05 excluded, by wildcard in capitals", "mx.evil.example", below("*.EVIL.EXAMPLE"), false, untrusted},
		{"CE-05 excluded beside a good one", "mx.good.example", below("mx.good.example", "mx.evil.example"), false, untrusted},
	}
}

// TestCE01toCE05 shows these to a client that verifies: no mail is sent to one that
// does not pass, in TLS or in clear.
func TestCE01toCE05(t *testing.T) {
	t.Parallel()
	for _, c := range certificates(t) {
		for name, version := range versions {
			t.Run(c.what+"/"+name, func(t *testing.T) {
				t.Parallel()
				c.check(t, version)
			})
		}
	}
}

func (c *certificate) check(t *testing.T, version uint16) {
	own := c.shows[0].tls()
	for _, above := range c.shows[1:] {
		own.Certificate = append(own.Certificate, above.cert.Raw)
	}
	cfg := serverTLS(version, world().mx)
	cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &own, nil }
	script := refusedHandshake
	if c.accept {
		script = func(p *peer) { p.secure(); p.quit() }
	}
	target := stage(t, cfg, script)
	target.Name = c.host
	conn, f := Dial(t.Context(), target, tlsSettings(t, func(o *certs.Client) { trustCA(true)(t, o) }))
	switch {
	case c.accept && f != nil:
		t.Fatal(f)
	case c.accept:
		if !conn.Verified {
			t.Error("accepted, and not verified")
		}
		conn.Quit(t.Context())
	case f == nil:
		conn.Abort()
		t.Fatal("it was accepted")
	case f.Kind != "tls" || f.Permanent || !strings.Contains(f.Text, "TLS: handshake failed: "+c.why):
		t.Errorf("%s", tellFault(f))
	}
}
