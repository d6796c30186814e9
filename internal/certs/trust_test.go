package certs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoadTrustFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b, c, d := issue(t, "a.test", nil), issue(t, "b.test", nil), issue(t, "c.test", nil), issue(t, "d.test", nil)
	twin := issue(t, "a.test", nil) // same name, so the same hash
	hash := func(i *issued) string {
		h, err := SubjectHash(i.cert.RawSubject)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	write(t, dir, hash(a)+".0", a.pem())
	write(t, dir, hash(a)+".1", twin.pem())
	write(t, dir, SubjectHashOld(b.cert.RawSubject)+".0", b.pem())
	if err := os.Symlink(write(t, dir, "c.pem", c.pem()), filepath.Join(dir, hash(c)+".0")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "00000000.0", d.pem())
	write(t, dir, "d.pem", d.pem())
	write(t, dir, hash(d)+".r0", d.pem())
	os.Symlink("nowhere", filepath.Join(dir, "11111111.0"))

	trust, err := LoadTrust(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []*issued{a, twin, b, c} {
		if !trust.Has(i.cert) {
			t.Errorf("%s is not in it", i.cert.Subject)
		}
	}
	if trust.Has(d.cert) || trust.Len() != 4 {
		t.Errorf("%d certificates, one of them under a wrong name", trust.Len())
	}
	w := strings.Join(trust.Warnings, "\n")
	if len(trust.Warnings) != 2 || !strings.Contains(w, "00000000.0 is not named by the hash") || !strings.Contains(w, "11111111.0") {
		t.Errorf("warnings: %s", w)
	}
}

func TestLoadTrustFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := issue(t, "a.test", nil)
	load := func(what, path, want string) *Trust {
		tr, err := LoadTrust(path)
		checkError(t, what, err, want)
		return tr
	}
	load("missing", dir+"/none", "there is no file")
	load("empty folder", t.TempDir(), "openssl rehash")
	load("empty", write(t, dir, "f", nil), "it is empty")
	load("a key", write(t, dir, "f", a.keyPEM(t)), "holds a private key")
	load("DER", write(t, dir, "f", a.cert.Raw), "DER")
	faulty := []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	load("faulty", write(t, dir, "f", faulty), "a certificate is faulty")
	if tr := load("one faulty", write(t, dir, "f", faulty, a.pem(), a.keyPEM(t)), ""); tr.Len() != 1 || len(tr.Warnings) != 2 {
		t.Errorf("%d certificates, warnings %q", tr.Len(), tr.Warnings)
	}
	old := load("expired", write(t, dir, "f", issue(t, "a.test", nil, valid(-2*time.Hour, -time.Hour)).pem()), "")
	checkError(t, "expired", old.CheckTime(time.Now()), "all its certificates have expired")
}

func TestTrustVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := issue(t, "a.test", nil)
	link, target := filepath.Join(dir, "12345678.0"), filepath.Join(t.TempDir(), "a.pem")
	write(t, filepath.Dir(target), "a.pem", a.pem())
	os.Symlink(target, link)
	seen := map[string]bool{}
	for _, change := range []func(){
		func() {},
		func() { write(t, filepath.Dir(target), "a.pem", a.pem(), a.pem()) }, // behind the link
		func() { write(t, dir, "12345678.1", a.pem()) },
		func() { os.Remove(link) },
	} {
		change()
		v, err := trustVersion(dir)
		if err != nil || seen[v] {
			t.Errorf("%q, %v: a change was not seen", v, err)
		}
		seen[v] = true
	}
}
