//go:build interop

package tls

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// finding is an entry of testssl's JSON.
type finding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Finding  string `json:"finding"`
}

// allowed are the findings that may be there, by id: what a self-signed
// certificate of a laboratory must draw, what is of the machine that scans, and
// one that is allowed only in these words.
var allowed = map[string]string{
	"cert_trust":          "", // asked for 127.0.0.1, it is made for relay.test
	"cert_chain_of_trust": "", // self-signed
	"cert_revocation":     "", // neither CRL nor OCSP: nobody issued it

	// Of the scanner alone: its OpenSSL has no engine for GOST ciphers, which
	// crypto/tls has none of either.
	"engine_problem": "",

	// crypto/tls announces the longest lifetime of RFC 8446 4.6.1 and has no
	// option for it. A shorter true one (WrapSession and UnwrapSession can have
	// it) would change nothing that a scanner sees, and little else: resumption in
	// TLS 1.3 has a key exchange of its own, so that a key stolen later opens no
	// recorded mail; for TLS 1.2 crypto/tls makes a new key each day and drops it
	// after seven, and ours are in memory alone and end with the certificate, the
	// options and the process.
	"TLS_session_ticket": "valid for 604800 seconds (>daily)",
}

// tried are findings that a whole scan has: one of each kind of check.
var tried = []string{
	"SSLv2", "TLS1_3", "cipherlist_STRONG", "PFS", "cipher_order", "cert_keySize", "cert_trust", "cert_chain_of_trust",
	"heartbleed", "CCS", "ROBOT", "secure_renego", "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "fallback_SCSV",
	"SWEET32", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4",
}

// testssl finds nothing but what is allowed.
func TestTestssl(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range testssl(t) {
		seen[f.ID] = true
		if f.Severity == "OK" || f.Severity == "INFO" {
			continue
		}
		if words, ok := allowed[f.ID]; !ok || words != "" && words != f.Finding {
			t.Errorf("%s %s: %s", f.Severity, f.ID, f.Finding)
		}
	}
	for _, id := range tried {
		if !seen[id] {
			t.Errorf("%s was not tried", id)
		}
	}
}

// testssl scans a relay: protocols, ciphers, forward secrecy, preferences,
// what the server says of itself, and vulnerabilities.
func testssl(t *testing.T) []finding {
	t.Helper()
	trees := packages(t, "testssl.sh", "bsdextrautils")
	mtad, dir := relay(t)
	file := filepath.Join(dir, "testssl.json")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(trees[0], "usr/bin/testssl"), "--starttls", "smtp",
		"--protocols", "--std", "--pfs", "--server-preference", "--server-defaults", "--vulnerable",
		"--warnings", "off", "--color", "0", "--nodns", "none", "--jsonfile", file, mtad.Addr)
	cmd.Env = append(os.Environ(),
		"TESTSSL_INSTALL_DIR="+filepath.Join(trees[0], "etc/testssl"),
		"PATH="+os.Getenv("PATH")+":"+filepath.Join(trees[1], "usr/bin")+":"+resolver(t, dir))
	cmd.WaitDelay = time.Second      // what bash started may hold the pipe
	out, err := cmd.CombinedOutput() // its exit status counts findings
	if ctx.Err() != nil {
		t.Fatalf("%v: %v\n%s", ctx.Err(), err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var findings []finding
	if err := json.Unmarshal(text, &findings); err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, out)
	}
	return findings
}

// resolver is a folder with a program for DNS: testssl does not start without
// one, even where it is told to ask nothing.
func resolver(t *testing.T, dir string) string {
	t.Helper()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "host"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}
