package certs

import (
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Row S16a: made once, kept, renewed in time by a daemon that runs on.
func TestSelfSigned(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool.d")
	synctest.Test(t, func(t *testing.T) {
		o := Server{Certificate: "self-signed"}
		leaf := func(host string) *x509.Certificate {
			t.Helper()
			cfg, err := NewStore(Options{SpoolDir: dir, Hostname: host}).Server(o)
			if err != nil {
				t.Fatal(err)
			}
			return cfg.Certificates[0].Leaf
		}
		first := leaf("mx.test")
		if err := checkName(first, "mx.test"); err != nil || first.Subject.CommonName != "mx.test" {
			t.Errorf("%v: %v", first.Subject, err)
		}
		if !leaf("mx.test").Equal(first) {
			t.Error("made twice")
		}
		info, err := os.Stat(filepath.Join(dir, selfSignedFile))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}

		store := NewStore(Options{SpoolDir: dir, Hostname: "mx.test"})
		os.Remove(filepath.Join(dir, selfSignedFile))
		made, err := store.Server(o)
		if err != nil {
			t.Fatal(err)
		}
		first = made.Certificates[0].Leaf
		time.Sleep(time.Second)
		if cfg, _ := store.Server(o); cfg != made {
			t.Error("the tickets of the first second are lost")
		}
		time.Sleep(time.Until(first.NotAfter.Add(-renewAhead)))
		if cfg, _ := store.Server(o); !cfg.Certificates[0].Leaf.Equal(first) {
			t.Error("renewed too early")
		}
		time.Sleep(2 * time.Second)
		if cfg, _ := store.Server(o); cfg.Certificates[0].Leaf.NotAfter.Before(time.Now().AddDate(0, 0, 364)) {
			t.Error("not renewed")
		}

		if leaf("other.test").DNSNames[0] != "other.test" {
			t.Error("for another host")
		}
		write(t, dir, selfSignedFile, []byte("rubbish"))
		leaf("other.test")
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	if _, err := SelfSigned(write(t, t.TempDir(), "file", nil), "mx.test"); err == nil || !strings.Contains(err.Error(), "cannot keep the self-signed certificate") {
		t.Error(err)
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, useRSA := range []bool{false, true} {
		cert, key, err := Generate(Request{Hosts: []string{"mx.test", "192.0.2.1", "2001:db8::1"}, Days: 10, RSA: useRSA})
		if err != nil {
			t.Fatal(err)
		}
		p, err := LoadPair(write(t, dir, "cert.pem", cert), write(t, dir, "key.pem", key))
		if err != nil || len(p.Warnings) > 0 {
			t.Fatalf("%v, %v", p, err)
		}
		leaf := p.Certificate.Leaf
		for _, name := range []string{"mx.test", "192.0.2.1", "2001:db8::1"} {
			if err := checkName(leaf, name); err != nil {
				t.Error(err)
			}
		}
		if _, ok := p.Certificate.PrivateKey.(*rsa.PrivateKey); ok != useRSA {
			t.Errorf("RSA %v, asked for %v", ok, useRSA)
		}
		if d := time.Until(leaf.NotAfter); d > 10*24*time.Hour || d < 239*time.Hour {
			t.Errorf("valid for %v", d)
		}
		trust, err := LoadTrust(filepath.Join(dir, "cert.pem"))
		if err != nil {
			t.Fatal(err)
		}
		for _, as := range []Purpose{OfClient, OfServer} {
			if err := trust.Verify([]*x509.Certificate{leaf}, as, "mx.test", time.Now()); err != nil {
				t.Errorf("as %s: %v", as, err)
			}
		}
	}
	if _, _, err := Generate(Request{Days: 1}); err == nil {
		t.Error("a certificate for nobody")
	}
	if _, _, err := Generate(Request{Hosts: []string{strings.Repeat("a.", 60) + "test"}, Days: 1}); err != nil {
		t.Errorf("a long name: %v", err)
	}
}
