package inbound

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Clients whose certificates are there to do harm.

// forged is a key that only looks like one: it signs with noise.
type forged struct{ public crypto.PublicKey }

func (f forged) Public() crypto.PublicKey { return f.public }

func (f forged) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	size := 72
	if k, ok := f.public.(*rsa.PublicKey); ok {
		size = k.Size()
	}
	b := make([]byte, size)
	rand.Read(b)
	return b, nil
}

// CE-11: keys that cost whoever verifies with them, or that are none.
func TestCE11HostileKeys(t *testing.T) {
	t.Parallel()
	ca := issue(t, "CA", nil, authority)
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 16383, 1), E: 65537}
	signed := func(public crypto.PublicKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, issue(t, "c", ca).cert, ca.cert, public, ca.key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	point := issue(t, "c", ca)
	offCurve := bytes.Clone(point.cert.Raw)
	public, _ := point.key.PublicKey.Bytes()
	offCurve[bytes.Index(offCurve, public)+len(public)-1] ^= 1
	dsa, err := os.ReadFile("testdata/dsa-certificate.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(dsa)
	own := &issue(t, "own", nil).key.PublicKey
	for name, c := range map[string]tls.Certificate{
		"RSA, 16384 bits":     {Certificate: [][]byte{signed(huge)}, PrivateKey: forged{huge}},
		"point off the curve": {Certificate: [][]byte{offCurve}, PrivateKey: point.key},
		"DSA":                 {Certificate: [][]byte{block.Bytes}, PrivateKey: forged{own}},
		"another's key":       {Certificate: [][]byte{point.cert.Raw}, PrivateKey: forged{&point.key.PublicKey}},
		"no certificate":      {Certificate: [][]byte{[]byte(strings.Repeat("x", 60000))}, PrivateKey: point.key},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothVersions(t, func(t *testing.T, version uint16) {
				r, dir := tlsRig(t, "tls_verify_hosts = \"*\"\ntls_verify_certificates = \"%s/ca${if eq{1}{1}{}}.pem\"")
				ca.write(t, filepath.Join(dir, "ca.pem"), "C")
				addr := r.port("starttls")
				k := greeted(t, addr)
				began := time.Now()
				k.refused(version, func(cfg *tls.Config) {
					cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
				})
				r.logged("TLS failed: ")
				if took := time.Since(began); took > time.Second {
					t.Errorf("took %v", took)
				}
				greeted(t, addr).secure(version, withCertificate(point)) // others are served
			})
		})
	}
}

// CE-18: what a session was resumed with says nothing of who asks now: a ticket
// got without a certificate is no proof of one, and one got with it is good only
// where it was asked for.
func TestCE18TicketsStayWithTheirHost(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `
tls_verify_hosts = "127.0.0.2"
tls_verify_certificates = "%s/ca${if eq{1}{1}{}}.pem"`)
		ca := issue(t, "CA", nil, authority)
		ca.write(t, filepath.Join(dir, "ca.pem"), "C")
		addr, client := r.port("starttls"), withCertificate(issue(t, "client", ca))
		caching := func(with func(*tls.Config)) func(*tls.Config) {
			cache := tls.NewLRUClientSessionCache(1)
			return func(c *tls.Config) {
				if c.ClientSessionCache, c.ServerName = cache, "mx.ours.test"; with != nil {
					with(c)
				}
			}
		}
		visit := func(from string, cfg func(*tls.Config)) *caller {
			k := greetedFrom(t, addr, from)
			k.secure(version, cfg)
			k.talk("EHLO c.test", "250-")
			return k
		}
		nobody := caching(nil)
		visit("127.0.0.1", nobody)
		if k := visit("127.0.0.1", nobody); !k.sock.State().Resumed {
			t.Error("not resumed where it may be")
		}
		greetedFrom(t, addr, "127.0.0.2").refused(version, nobody)
		r.logged("TLS failed: no_certificate")

		known := caching(client)
		visit("127.0.0.2", known)
		k := visit("127.0.0.1", known)
		if k.sock.State().Resumed {
			t.Error("a verified session is resumed where nobody is verified")
		}
		k.talk(fromA, "250 ", toOurs, "250 ", "DATA", "354 ")
		k.send(aMessage)
		k.want(k.reply(), "250 ")
		r.logged("received ", `DN="" verified=false`)
	})
}

// HD-03: a name of 60 KB, with what turns text around and ends lines: what is
// made of it is bounded, and stays one field.
func TestHD03NameWithoutEnd(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, version uint16) {
		r, dir := tlsRig(t, `
tls_verify_hosts = "*"
tls_verify_certificates = "%s/ca${if eq{1}{1}{}}.pem"
received_header_text = "Received: of $tls_peerdn\n  by $primary_hostname id $message_id"`)
		ca := issue(t, "CA", nil, authority)
		ca.write(t, filepath.Join(dir, "ca.pem"), "C")
		k := greeted(t, r.port("starttls"))
		k.secure(version, withCertificate(issue(t, "x\x00\r\n\u202e"+strings.Repeat("y", 60_000), ca)))
		k.talk("EHLO c.test", "250-", fromA, "250 ", toOurs, "250 ", "DATA", "354 ")
		k.send(aMessage)
		k.want(k.reply(), "250 ")
		_, texts := r.stored()
		field, rest, _ := strings.Cut(texts[0], "Subject: x\r\n")
		lines := strings.Split(field, "\r\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[1], "  by mx.ours.test id ") || lines[2] != "" || rest != "\r\nhello\r\n" {
			t.Errorf("the field is %.200q…, and behind it %q", field, rest)
		}
		for _, line := range lines {
			if len(line) > 998 || strings.ContainsAny(line, "\x00\r\n\u202e") {
				t.Errorf("a line of %d bytes: %.100q…", len(line), line)
			}
		}
		if want := `Received: of /C=UK/O=Test/CN=x\x00\x0D\x0A\xE2\x80\xAEyyy`; !strings.HasPrefix(field, want) {
			t.Errorf("got %.100q, want %q…", field, want)
		}
	})
}
