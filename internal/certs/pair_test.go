package certs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"
)

func TestLoadPair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := issue(t, "Root", nil, authority)
	a, b := issue(t, "a.test", ca), issue(t, "b.test", ca)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	weak, edwards, nist := issueFor(t, small, "weak.test", ca), issueFor(t, ed, "ed.test", ca), issueFor(t, p384, "p384.test", ca)
	ec, _ := x509.MarshalECPrivateKey(a.key.(*ecdsa.PrivateKey))
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	locked := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")})

	for _, c := range []struct {
		what      string
		cert, key []byte // key nil: the same file
		want      string // of the error; "": none
		warn      string
	}{
		{"two files", a.pem(), a.keyPEM(t), "", ""},
		{"one file", append(a.keyPEM(t), a.pem()...), nil, "", ""},
		{"one file, the key behind", append(a.pem(), a.keyPEM(t)...), nil, "", ""},
		{"with its chain", append(a.pem(), ca.pem()...), a.keyPEM(t), "", ""},
		{"EC PRIVATE KEY with parameters", a.pem(), append(block("EC PARAMETERS", []byte{6, 0}), block("EC PRIVATE KEY", ec)...), "", ""},
		{"RSA PRIVATE KEY", weak.pem(), block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small)), "", "RSA key of 1024 bits is weak"},
		{"Ed25519", edwards.pem(), edwards.keyPEM(t), "", ""},
		{"P-384", nist.pem(), nist.keyPEM(t), "", ""},
		{"two keys", a.pem(), append(b.keyPEM(t), a.keyPEM(t)...), "", ""},
		{"wrong chain", append(a.pem(), b.pem()...), a.keyPEM(t), "", "certificate 2 is not that of the issuer of certificate 1"},
		{"mismatch", a.pem(), b.keyPEM(t), "key.pem is not that of the certificate in ", ""},
		{"mismatch in one file", append(a.pem(), b.keyPEM(t)...), nil, "the private key is not that of the certificate", ""},
		{"wrong order", append(ca.pem(), a.pem()...), a.keyPEM(t), "belongs to certificate 2; that must stand first", ""},
		{"no key", a.pem(), nil, `has no private key: what is in it is "CERTIFICATE"`, ""},
		{"swapped", a.keyPEM(t), a.pem(), `cert.pem has no certificate: what is in it is "PRIVATE KEY"`, ""},
		{"pass phrase", a.pem(), block("ENCRYPTED PRIVATE KEY", []byte("x")), "has a pass phrase", ""},
		{"old pass phrase", a.pem(), locked, "has a pass phrase", ""},
		{"DSA", a.pem(), block("DSA PRIVATE KEY", []byte("x")), `"DSA PRIVATE KEY" is of no use`, ""},
		{"faulty key", a.pem(), block("PRIVATE KEY", []byte("x")), "the private key is faulty", ""},
		{"faulty certificate", block("CERTIFICATE", []byte("x")), a.keyPEM(t), "certificate 1 is faulty", ""},
		{"empty", []byte{}, a.keyPEM(t), "it is empty", ""},
		{"DER", a.cert.Raw, a.keyPEM(t), "looks like DER", ""},
		{"half written", a.pem()[:200], a.keyPEM(t), "cut short", ""},
		{"no PEM", []byte("hello"), a.keyPEM(t), "it is not PEM", ""},
	} {
		cert := write(t, dir, "cert.pem", c.cert)
		key := cert
		if c.key != nil {
			key = write(t, dir, "key.pem", c.key)
		}
		p, err := LoadPair(cert, key)
		checkError(t, c.what, err, c.want)
		if err == nil {
			if w := strings.Join(p.Warnings, "\n"); (c.warn == "") != (w == "") || !strings.Contains(w, c.warn) {
				t.Errorf("%s: warnings %q, want %q", c.what, w, c.warn)
			}
		}
	}
}

func checkError(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

func TestLoadPairFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := issue(t, "a.test", nil)
	cert, key := write(t, dir, "cert.pem", a.pem()), write(t, dir, "key.pem", a.keyPEM(t))
	_, err := LoadPair(cert, dir+"/none.pem")
	checkError(t, "missing", err, "there is no file "+dir+"/none.pem")
	_, err = LoadPair(dir, key)
	checkError(t, "folder", err, "is not a file")
	os.Chmod(key, 0o644)
	_, err = LoadPair(cert, key)
	checkError(t, "world-readable", err, "chmod o-rwx "+key)
	public := write(t, t.TempDir(), "cert.pem", a.pem())
	if err := os.Chmod(public, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = LoadPair(public, public)
	checkError(t, "world-readable, without a key", err, `has no private key: what is in it is "CERTIFICATE"`)
	os.Chmod(key, 0o640)
	os.Chmod(cert, 0o644)
	_, err = LoadPair(cert, key)
	checkError(t, "readable for a group", err, "")
	if os.Getuid() != 0 {
		os.Chmod(key, 0)
		_, err = LoadPair(cert, key)
		checkError(t, "unreadable", err, "cannot read "+key)
	}
}

// x509 signs nothing with MD5 or SHA-1 any more, so the algorithm is put on.
func TestCheckStrength(t *testing.T) {
	t.Parallel()
	ca := issue(t, "Root", nil, authority)
	leaf := issue(t, "a.test", ca)
	leaf.cert.SignatureAlgorithm = x509.SHA1WithRSA
	w, err := checkStrength("f", []*x509.Certificate{leaf.cert})
	if err != nil || len(w) != 1 || !strings.Contains(w[0], "SHA-1") {
		t.Errorf("SHA-1: %q, %v", w, err)
	}
	leaf.cert.SignatureAlgorithm = x509.MD5WithRSA
	_, err = checkStrength("f", []*x509.Certificate{leaf.cert})
	checkError(t, "MD5", err, "signed with MD5")
	ca.cert.SignatureAlgorithm = x509.SHA1WithRSA // of a root it means nothing
	leaf.cert.SignatureAlgorithm = x509.ECDSAWithSHA256
	if w, err := checkStrength("f", []*x509.Certificate{leaf.cert, ca.cert}); len(w) > 0 || err != nil {
		t.Errorf("root with SHA-1: %q, %v", w, err)
	}
}

func TestCheckTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := &Pair{File: "cert.pem"}
	p.Certificate.Leaf = issue(t, "a.test", nil, valid(-time.Hour, time.Hour)).cert
	checkError(t, "valid", p.CheckTime(now), "")
	checkError(t, "expired", p.CheckTime(now.Add(2*time.Hour)), "cert.pem: the certificate expired on ")
	checkError(t, "early", p.CheckTime(now.Add(-2*time.Hour)), "is valid from ")
}

func FuzzParsePair(f *testing.F) {
	a := issue(f, "a.test", nil)
	f.Add(a.pem(), a.keyPEM(f))
	f.Add(append(a.pem(), a.keyPEM(f)...), []byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte{}, []byte{0x30})
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		p, err := parsePair("cert.pem", cert, "key.pem", key)
		if err == nil && (p.Certificate.Leaf == nil || len(p.Certificate.Certificate) == 0 || p.Certificate.PrivateKey == nil) {
			t.Error("half a pair")
		}
		tr := &Trust{roots: x509.NewCertPool(), members: map[[32]byte]struct{}{}}
		for _, c := range tr.parse("trust.pem", cert) {
			tr.add(c)
			if !tr.Has(c) {
				t.Error("not in it")
			}
		}
		parseDHParam(key)
	})
}
