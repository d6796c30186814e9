package certs

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What serves, but badly, is told at each reading and not for each client.
func TestStoreWarns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFiles(t)
		var told []string
		f.store = NewStore(Options{Dir: f.dir, Warn: func(text string) { told = append(told, text) }})
		key := f.ca.keyPEM(t)
		write(t, f.dir, "ca.pem", f.ca.pem(), key)
		stranger := issue(t, "stranger", nil)
		o := Server{Certificate: "chain.pem", VerifyCertificates: "ca.pem"}
		own := issue(t, "mx.test", f.ca)
		write(t, f.dir, "chain.pem", own.pem(), stranger.pem(), own.keyPEM(t))
		for range 3 {
			f.server(t, o)
			other := o
			other.Ciphers = "HIGH"
			f.server(t, other)
			time.Sleep(2 * lookEvery)
		}
		if len(told) != 2 || !strings.HasPrefix(told[0], "tls_certificate: ") || !strings.Contains(told[0], "certificate 2 is not that of the issuer") ||
			!strings.HasPrefix(told[1], "tls_verify_certificates: ") || !strings.Contains(told[1], "holds a private key") {
			t.Errorf("told %q", told)
		}
		write(t, f.dir, "ca.pem", key, f.ca.pem())
		write(t, f.dir, "chain.pem", own.pem(), own.keyPEM(t))
		f.server(t, o)
		time.Sleep(2 * lookEvery)
		f.server(t, o)
		if len(told) != 3 || !strings.Contains(told[2], "holds a private key") {
			t.Errorf("told %q", told)
		}
	})
}
