package inbound

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"mtad/internal/certs"
)

// What chapter 38.1 and 38.4 show, as it stands there: RSA, key and certificate
// in one file, chosen by $sender_host_address, a forced failure as if unset, and
// a list of ciphers half of which nobody has any more.
func TestChapter38Examples(t *testing.T) {
	t.Parallel()
	r, dir := tlsRig(t, `
tls_certificate = "%s/${if eq{$sender_host_address}{127.0.0.3}{other}{${if !eq{$sender_host_address}{127.0.0.4}{file1}fail}}}"
tls_verify_hosts = "127.0.0.2"
tls_verify_ciphers = "DES-CBC3-SHA:IDEA-CBC-MD5"`)
	oneFile(t, filepath.Join(dir, "file1"), "file1.test")
	oneFile(t, filepath.Join(dir, "other"), "other.test")
	addr := r.port("starttls")
	old := func(cfg *tls.Config) { // Netscape's
		cfg.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
	}
	for from, want := range map[string]struct{ name, cipher string }{
		"127.0.0.1": {"file1.test", "TLSv1.2:ECDHE-RSA-AES128-GCM-SHA256:128"},
		"127.0.0.2": {"file1.test", "TLSv1.2:DES-CBC3-SHA:168"},
		"127.0.0.3": {"other.test", "TLSv1.2:ECDHE-RSA-AES128-GCM-SHA256:128"},
	} {
		k := greetedFrom(t, addr, from)
		k.secure(tls.VersionTLS12, old)
		if name := k.sock.PeerCertificates()[0].Subject.CommonName; name != want.name || k.sock.State().CipherLog() != want.cipher {
			t.Errorf("%s: %s, %s, want %v", from, name, k.sock.State().CipherLog(), want)
		}
		k.talk("EHLO c.test", "250-", "QUIT", "221 ")
	}
	k := greetedFrom(t, addr, "127.0.0.4")
	k.talk("STARTTLS", "454 TLS currently unavailable\r\n", "EHLO c.test", "554 Security failure\r\n", "QUIT", "221 ")
	r.logged("there is no tls_certificate for this host")
}

// oneFile is openssl req -x509 -newkey rsa:2048 -keyout FILE -out FILE -nodes.
func oneFile(t *testing.T, file, name string) {
	t.Helper()
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{name}, Days: 9999, RSA: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(key, cert...), 0o600); err != nil {
		t.Fatal(err)
	}
}
