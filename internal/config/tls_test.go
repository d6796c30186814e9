package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/internal/certs"
)

// RFC 7919 A.1.
const ffdhe2048 = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
`

// Files named in clear are looked at when the configuration is read: S18, CE-13,
// CE-14. CE-08: a relay for whoever says STARTTLS.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, goodKey := generated(t, "relay.example.net")
	_, otherKey := generated(t, "other.example.net")
	expired, expiredKey := signed(t, time.Now().Add(-time.Hour), 0)
	weak, weakKey := signed(t, time.Now().Add(time.Hour), 1024)
	for name, data := range map[string][]byte{
		"cert.pem": good, "key.pem": goodKey, "both.pem": append(append([]byte{}, goodKey...), good...), "other.pem": otherKey,
		"expired.pem": append(expired, expiredKey...), "weak.pem": append(weak, weakKey...), "open.pem": append(append([]byte{}, goodKey...), good...),
		"dh.pem": []byte(ffdhe2048), "encrypted.pem": []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "open.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ options, want string }{
		{`tls_certificate = "cert.pem"` + "\n" + `tls_privatekey = "key.pem"`, ""},
		{`tls_certificate = "both.pem"`, ""},
		{`tls_certificate = "self-signed"`, ""},
		{`tls_certificate = "cert.pem"`, "config.toml:1: tls_certificate: DIR/cert.pem has no private key"},
		{`tls_certificate = "none.pem"`, "config.toml:1: tls_certificate: there is no file DIR/none.pem"},
		{`tls_certificate = "."`, "config.toml:1: tls_certificate: "},
		{`tls_certificate = "key.pem"`, "config.toml:1: tls_certificate: DIR/key.pem has no certificate"},
		{`tls_certificate = "cert.pem"` + "\n" + `tls_privatekey = "other.pem"`, "config.toml:1: tls_certificate: the private key in DIR/other.pem is not that of the certificate"},
		{`tls_certificate = "cert.pem"` + "\n" + `tls_privatekey = "encrypted.pem"`, "config.toml:1: tls_certificate: DIR/encrypted.pem: the private key has a pass phrase"},
		{`tls_certificate = "expired.pem"`, "config.toml:1: tls_certificate: DIR/expired.pem: the certificate expired on "},
		{`tls_certificate = "weak.pem"`, "warning: config.toml:1: tls_certificate: DIR/weak.pem: an RSA key of 1024 bits is weak"},
		{`tls_certificate = "open.pem"`, "config.toml:1: tls_certificate: DIR/open.pem holds a private key and every user of this machine can read it"},
		{`tls_dhparam = "dh.pem"`, "warning: config.toml:1: tls_dhparam: DIR/dh.pem (2048 bits) is in order and has no effect"},
		{`tls_dhparam = "key.pem"`, "config.toml:1: tls_dhparam: DIR/key.pem: there are no DH PARAMETERS in it"},
		{`tls_verify_hosts = "*"` + "\n" + `tls_verify_certificates = "cert.pem"`, ""},
		{`tls_verify_hosts = "*"` + "\n" + `tls_verify_certificates = "key.pem"`, "config.toml:2: tls_verify_certificates: "},
		{`tls_verify_hosts = "*"` + "\n" + `tls_verify_ciphers = "IDEA-CBC-MD5"`, "config.toml:2: tls_verify_ciphers: "},
		{`tls_verify_hosts = "*"` + "\n" + `tls_verify_ciphers = "DES-CBC3-SHA:IDEA-CBC-MD5"`, "warning: config.toml:2: tls_verify_ciphers: this build cannot offer IDEA-CBC-MD5"},
		{`tls_groups = "P-257"`, "config.toml:1: tls_groups: "},
		{`tls_host_accept_relay = "*"`, "warning: config.toml:1: tls_host_accept_relay: every host that says STARTTLS may send mail to everywhere through this one. THIS IS AN OPEN RELAY"},
		{`tls_host_accept_relay = "10.0.0.0/8"`, "warning: config.toml:1: tls_host_accept_relay: A HOST IN THIS LIST NEED ONLY SAY STARTTLS"},
		{`tls_host_accept_relay = "*"` + "\n" + `tls_verify_hosts = "*"` + "\n" + `tls_verify_certificates = "cert.pem"`, ""},
		{`tls_host_accept_relay = []`, ""},
	} {
		cfg, err := parse("config.toml", dir, []byte(c.options+"\n[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = \"192.0.2.1\"\n"))
		got := ""
		if err != nil {
			got = err.Error()
		} else if len(cfg.Warnings) > 0 {
			got = "warning: " + cfg.Warnings[0]
		}
		got = strings.ReplaceAll(got, dir, "DIR")
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s\ngot  %s\nwant %s", c.options, got, c.want)
		}
	}
}

func generated(t *testing.T, host string) (cert, key []byte) {
	t.Helper()
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{host}, Days: 10})
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// signed makes a certificate that is valid until then; with an RSA key of that
// many bits, or an ECDSA one.
func signed(t *testing.T, until time.Time, bits int) (cert, key []byte) {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until}
	var der, pkcs8 []byte
	var err error
	if bits > 0 {
		k, e := rsa.GenerateKey(rand.Reader, bits)
		if e != nil {
			t.Fatal(e)
		}
		der, err = x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
		pkcs8, _ = x509.MarshalPKCS8PrivateKey(k)
	} else {
		k, e := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if e != nil {
			t.Fatal(e)
		}
		der, err = x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
		pkcs8, _ = x509.MarshalPKCS8PrivateKey(k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
