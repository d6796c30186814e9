package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtad/internal/certs"
)

func TestCert(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b") // is made
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	make := func(args ...string) (status int, stdout, stderr string) {
		var out, diag strings.Builder
		status = runCert(append(args, "-out", dir), &out, &diag)
		return status, out.String(), diag.String()
	}
	status, stdout, stderr := make("-host", "mx.test,192.0.2.1", "-host", "mx2.test", "-days", "10")
	if want := "tls_advertise_hosts = \"*\"\ntls_certificate     = \"" + cert + "\"\ntls_privatekey      = \"" + key + "\"\n"; status != exitOK || stdout != want {
		t.Fatalf("%d\n%s%s", status, stdout, stderr)
	}
	p, err := certs.LoadPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mx.test", "192.0.2.1", "mx2.test"} {
		if err := p.Certificate.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	for _, file := range []string{cert, key} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	if status, _, stderr := make(); status != exitFailed || !strings.Contains(stderr, "is there already; -force overwrites it") {
		t.Errorf("overwritten: %d, %s", status, stderr)
	}
	os.Remove(cert)
	if status, _, _ := make(); status != exitFailed {
		t.Error("the key was overwritten")
	}
	if status, _, stderr := make("-force", "-rsa"); status != exitOK {
		t.Errorf("%d, %s", status, stderr)
	}
	for _, args := range [][]string{{"-days", "0"}, {"-host", "a b"}, {"-host", ""}, {"-what"}, {"more"}} {
		if status, _, stderr := make(append(args, "-force")...); status != exitUsage || stderr == "" {
			t.Errorf("%q: %d, %s", args, status, stderr)
		}
	}
}
