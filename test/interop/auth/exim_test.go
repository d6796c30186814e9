//go:build interop

// Package auth tries AUTH with other people's programs. Run: go test -tags interop ./test/interop/auth/
package auth

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/test/interop/peer"
)

const (
	secret   = "canary-Of-The-Interop-Tests"
	patience = 20 * time.Second
	messages = 5
)

// authenticators are mtad's as a client: all of them, so that the server's offer
// decides. %[1]s is the secret.
const authenticators = `
[[authenticator]]
name = "by-login"
driver = "plaintext"
public_name = "LOGIN"
client_name = "relay"
client_secret = "%[1]s"

[[authenticator]]
name = "by-plain"
driver = "plaintext"
public_name = "PLAIN"
client_send = "^relay^%[1]s"

[[authenticator]]
name = "by-cram"
driver = "cram_md5"
client_name = "relay"
client_secret = "%[1]s"

[[authenticator]]
name = "by-scram"
driver = "scram"
client_name = "relay"
client_secret = "%[1]s"
`

// mtad authenticates to Debian's Exim in TLS, anew for each message of one
// connection, with the strongest mechanism that is offered.
func TestToExim(t *testing.T) {
	bin := build(t)
	for _, c := range []struct {
		offered []string
		client  string // authenticator of mtad
		server  string // of Exim
	}{
		{[]string{"PLAIN"}, "by-plain", "plain"},
		{[]string{"LOGIN"}, "by-login", "login"},
		{[]string{"CRAM-MD5"}, "by-cram", "cram"},
		{[]string{"LOGIN", "PLAIN", "CRAM-MD5"}, "by-cram", "cram"},
		{[]string{"LOGIN", "PLAIN"}, "by-plain", "plain"},
	} {
		t.Run(strings.Join(c.offered, "+"), func(t *testing.T) {
			exim, log := startExim(t, c.offered...)
			mtad, dir := startClient(t, bin, exim, secret)
			submit(t, mtad.Addr, messages)
			await(t, log, messages, `<= a@x\.example H=\S+ .* P=esmtpsa X=TLS1\.3:.* A=`+c.server+`:relay `)
			await(t, filepath.Join(dir, "log", "mainlog"), 1, `=> b@y\.example .* \[127\.0\.0\.1\] X=TLSv1\.3:.* A=`+c.client+` `)
			await(t, filepath.Join(dir, "log", "mainlog"), messages-1, `[-=]> b@y\.example .* \[127\.0\.0\.1\]\* X=TLSv1\.3:.* A=`+c.client+` `)
			await(t, log, 2, `SMTP connection from .*TCP/IP connection count`) // one is whoever waited for its start
			keptSecret(t, dir)
		})
	}
}

// A secret that Exim refuses: no message goes, the log says who refused, and
// keeps the secret.
func TestRefusedByExim(t *testing.T) {
	exim, log := startExim(t, "PLAIN", "LOGIN", "CRAM-MD5")
	mtad, dir := startClient(t, build(t), exim, "wrong-"+secret)
	submit(t, mtad.Addr, 1)
	await(t, filepath.Join(dir, "log", "mainlog"), 1, `== b@y\.example R=smarthost T=smtp defer \(-42\): H=127\.0\.0\.1 \[127\.0\.0\.1\]: AUTH: AUTH CRAM-MD5: 535 `)
	if text, err := os.ReadFile(log); err != nil || strings.Contains(string(text), " <= ") {
		t.Errorf("%v: Exim took a message:\n%s", err, text)
	}
	keptSecret(t, dir)
}

func build(t *testing.T) string {
	t.Helper()
	bin, err := peer.BuildMtad(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// startClient is mtad, all of whose mail goes to addr, in TLS and authenticated.
func startClient(t *testing.T, bin, addr, secret string) (*peer.Mtad, string) {
	t.Helper()
	dir := t.TempDir()
	mtad, err := peer.StartMtad(bin, dir, &peer.MtadConfig{NextHop: addr, Connections: 1, Options: fmt.Sprintf(authenticators, secret),
		Transport: "hosts_require_tls = \"*\"\nhosts_require_auth = \"*\"\nconnection_linger = \"5s\"\n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mtad.Kill)
	return mtad, dir
}

// startExim returns its address and its main log.
func startExim(t *testing.T, offered ...string) (addr, log string) {
	t.Helper()
	dir, err := peer.TempDir() // one that Exim's account can walk to
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{"exim.test", "127.0.0.1"}, Days: 1, RSA: true})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "pair.pem"), append(key, cert...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if addr, err = peer.FreeAddr(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	start(t, unpacked(t, "testdata/exim.sh", append([]string{dir, port, secret}, offered...)...), addr)
	return addr, filepath.Join(dir, "mainlog")
}

// unpacked is a script about Debian's Exim, in namespaces that end with it.
func unpacked(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("Exim in namespaces of its own needs root")
	}
	all := []string{"-m", "-p", "-f", "--mount-proc", "sh", script}
	for _, name := range []string{"exim4-daemon-light", "libidn12"} {
		tree, err := peer.Package(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tree)
	}
	return exec.Command("unshare", append(all, args...)...)
}

// start runs a server until the test ends, and waits until it listens.
func start(t *testing.T, cmd *exec.Cmd, addr string) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "output")
	f, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(cmd) })
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(output)
			t.Fatalf("%v\n%s", err, text)
		}
	}
}

// stop kills what unshare started, the first process of its namespace, and with
// it all others there; unshare itself then ends. A death signal would not do: Exim
// changes its account, which takes that off.
func stop(cmd *exec.Cmd) {
	pid := strconv.Itoa(cmd.Process.Pid)
	children, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			syscall.Kill(n, syscall.SIGKILL)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
}

// submit gives mtad n messages.
func submit(t *testing.T, addr string, n int) {
	t.Helper()
	for i := range n {
		text := "Subject: " + strconv.Itoa(i) + "\r\n\r\nhello\r\n"
		if err := smtp.SendMail(addr, nil, "a@x.example", []string{"b@y.example"}, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

// await waits until a file has what pattern says in n lines.
func await(t *testing.T, file string, n int, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(file)
		got := len(re.FindAllString(string(text), -1))
		if got == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d lines, want %d, with %s in\n%s", got, n, pattern, text)
		}
	}
}

// keptSecret asserts that no file of mtad but its configuration and its users has
// the secret, as it is or in base64 (THREATS AU-11).
func keptSecret(t *testing.T, dir string) {
	t.Helper()
	forms := []string{secret}
	for _, s := range []string{secret, "\x00relay\x00" + secret} {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(s)))
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "config.toml" || d.Name() == "users.toml" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, form := range forms {
			if strings.Contains(string(text), form) {
				t.Errorf("%s has the secret", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
