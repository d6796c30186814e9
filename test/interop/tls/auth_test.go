//go:build interop

package tls

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mtad/test/interop/peer"
)

const secret = "Kanarienvogel 7Q2x"

// guarded is a running mtad that lets nobody relay but bob, in TLS.
func guarded(t *testing.T) (*peer.Mtad, string) {
	t.Helper()
	dir, err := peer.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	bin, err := peer.BuildMtad(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	add := exec.Command(bin, "user", "add", "-plain", filepath.Join(dir, "users.toml"), "bob")
	add.Stdin = strings.NewReader(secret + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("mtad user add: %v\n%s", err, out)
	}
	all := options + "host_auth_accept_relay = \"*\"\nauth_over_tls_hosts = \"*\"\nrelay_domains = \"ours.test\"\nsmtp_max_errors = 100\n"
	for _, a := range [][2]string{{"PLAIN", "plaintext"}, {"LOGIN", "plaintext"}, {"CRAM-MD5", "cram_md5"}} {
		all += "[[authenticator]]\nname = \"" + strings.ToLower(a[0]) + "\"\npublic_name = \"" + a[0] + "\"\ndriver = \"" + a[1] + "\"\nserver_users = \"users.toml\"\n"
	}
	mtad, err := peer.StartMtad(bin, dir, &peer.MtadConfig{NextHop: "127.0.0.1:1", Relay: "192.0.2.1", Options: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mtad.Kill)
	return mtad, dir
}

// swaks authenticates by each mechanism it has, in TLS; with a wrong secret, or
// in clear, it does not.
func TestSwaksAuthenticates(t *testing.T) {
	trees := packages(t, "swaks", "libnet-ssleay-perl")
	modules, _ := filepath.Glob(filepath.Join(trees[1], "usr/lib/*/perl5/*"))
	if len(modules) != 1 {
		t.Fatalf("libnet-ssleay-perl has %q", modules)
	}
	mtad, dir := guarded(t)
	swaks := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "perl", append([]string{filepath.Join(trees[0], "usr/bin/swaks"), "--server", mtad.Addr,
			"--ehlo", "swaks.test", "--from", "a@x.example", "--to", "b@y.example", "--timeout", "20"}, args...)...)
		cmd.Env = append(os.Environ(), "PERL5LIB="+modules[0])
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5"} {
		if out, err := swaks("--tls", "--auth", mechanism, "--auth-user", "bob", "--auth-password", secret); err != nil || !strings.Contains(out, "235 ") {
			t.Errorf("%s: %v\n%s", mechanism, err, out)
		}
		mainlog(t, dir, "<= a@x.example H=(swaks.test)", "P=esmtpsa", "A="+strings.ToLower(mechanism)+":bob")
	}
	if out, err := swaks("--tls", "--auth", "PLAIN", "--auth-user", "bob", "--auth-password", "wrong"); err == nil || !strings.Contains(out, "535 ") {
		t.Errorf("a wrong secret: %v\n%s", err, out)
	}
	if out, err := swaks("--auth", "PLAIN", "--auth-user", "bob", "--auth-password", secret); err == nil || strings.Contains(out, "AUTH PLAIN A") {
		t.Errorf("in clear: %v\n%s", err, out)
	}
	if out, err := swaks("--tls"); err == nil || !strings.Contains(out, "550 relaying to <b@y.example> prohibited") {
		t.Errorf("without AUTH: %v\n%s", err, out)
	}
}

// nmap's smtp-open-relay finds none, from this very machine.
func TestNmapFindsNoOpenRelay(t *testing.T) {
	trees := packages(t, "nmap", "nmap-common", "libpcap0.8", "liblua5.3-0", "liblinear4", "libblas3", "libpcre3", "lua-lpeg")
	var libs []string
	for _, tree := range trees[2:] {
		for _, pattern := range []string{"usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/blas", "lib/*-linux-gnu"} {
			dirs, _ := filepath.Glob(filepath.Join(tree, pattern))
			libs = append(libs, dirs...)
		}
	}
	data := filepath.Join(trees[1], "usr/share/nmap")
	mtad, _ := guarded(t)
	_, port, err := net.SplitHostPort(mtad.Addr)
	if err != nil {
		t.Fatal(err)
	}
	scan := func(port string) string {
		cmd := exec.CommandContext(t.Context(), filepath.Join(trees[0], "usr/bin/nmap"), "--unprivileged", "-sT", "-Pn", "-n", "-p", port,
			"--datadir", data, "--script", "+smtp-open-relay", "--script-args", "smtp-open-relay.domain=nmap.test", "127.0.0.1")
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libs, ":"), "NMAPDIR="+data)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := scan(port); !strings.Contains(out, "doesn't seem to be an open relay, all tests failed") {
		t.Errorf("%s", out)
	}
	friendly, _ := relay(t) // lets this machine relay
	_, openPort, err := net.SplitHostPort(friendly.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if out := scan(openPort); !strings.Contains(out, "Server is an open relay (") {
		t.Errorf("one is not found: %s", out)
	}
}
