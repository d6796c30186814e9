//go:build interop

package auth

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mtad/test/interop/peer"
)

// server is mtad that serves nobody but bob, and bob in TLS only.
const server = `
tls_advertise_hosts = "*"
tls_certificate = "self-signed"
host_auth_accept_relay = "*"
auth_hosts = "*"
auth_over_tls_hosts = "*"

[[authenticator]]
name = "plain"
driver = "plaintext"
public_name = "PLAIN"
server_users = "users.toml"

[[authenticator]]
name = "login"
driver = "plaintext"
public_name = "LOGIN"
server_users = "users.toml"

[[authenticator]]
name = "cram"
driver = "cram_md5"
server_users = "users.toml"
`

// startServer returns mtad and its folder.
func startServer(t *testing.T, bin string) (*peer.Mtad, string) {
	t.Helper()
	dir := t.TempDir()
	add := exec.Command(bin, "user", "add", "-plain", filepath.Join(dir, "users.toml"), "bob")
	add.Stdin = strings.NewReader(secret + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mtad, err := peer.StartMtad(bin, dir, &peer.MtadConfig{NextHop: "127.0.0.1:1", Relay: "192.0.2.1", Options: server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mtad.Kill)
	return mtad, dir
}

// Debian's Exim authenticates to mtad in TLS. It hands its connection from one
// message to the next, each with a TLS session and an AUTH of its own: ten of both
// are done on one connection.
func TestFromExim(t *testing.T) {
	bin := build(t)
	for mechanism, name := range map[string]string{"PLAIN": "plain", "LOGIN": "login", "CRAM-MD5": "cram"} {
		t.Run(mechanism, func(t *testing.T) {
			mtad, dir := startServer(t, bin)
			log := runExim(t, mtad.Addr, secret, mechanism)
			sent := regexp.MustCompile(`=> b\d+@y\.example .*\]:\d+(\*?) I=(\S+) X=TLS1\.3:.* A=client `).FindAllStringSubmatch(log, -1)
			handedOn, sockets := 0, map[string]bool{}
			for _, m := range sent {
				handedOn += len(m[1])
				sockets[m[2]] = true
			}
			if len(sent) != 10 || handedOn != 9 || len(sockets) != 1 {
				t.Errorf("%d sent, %d of them on a connection handed on, from %d sockets:\n%s", len(sent), handedOn, len(sockets), log)
			}
			await(t, filepath.Join(dir, "log", "mainlog"), 10, `<= a@x\.example H=\S+ .* P=esmtpsa X=TLSv1\.3:.* A=`+name+`:bob `)
			if n := counted(t, mtad, `mtad_auth_total{side="server",mechanism="`+mechanism+`",result="done"}`); n != 10 {
				t.Errorf("authenticated %d times", n)
			}
			keptSecret(t, dir)
		})
	}
}

// Exim with a wrong secret, or one that mtad is not to have in clear, gets nowhere.
func TestFromEximRefused(t *testing.T) {
	mtad, dir := startServer(t, build(t))
	log := runExim(t, mtad.Addr, "wrong-"+secret, "PLAIN")
	if strings.Contains(log, " => ") || !strings.Contains(log, "535 ") {
		t.Errorf("Exim says\n%s", log)
	}
	if n := counted(t, mtad, `mtad_auth_total{side="server",mechanism="PLAIN",result="done"}`); n != 0 {
		t.Errorf("authenticated %d times", n)
	}
	keptSecret(t, dir)
}

// runExim has Exim send ten messages, and returns its main log.
func runExim(t *testing.T, addr, secret, mechanism string) string {
	t.Helper()
	dir, err := peer.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	log, err := unpacked(t, "testdata/client.sh", dir, port, secret, mechanism).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	return string(log)
}

// counted is a line of mtad's metrics.
func counted(t *testing.T, mtad *peer.Mtad, name string) int {
	t.Helper()
	r, err := http.Get("http://" + mtad.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), name+" ")
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.Atoi(line) // none: it was never counted
	return n
}
