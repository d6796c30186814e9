//go:build interop

package handover

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/test/interop/peer"
)

// server is one that mail is handed to. What it took stands in the file arrived
// of its folder, as lines with the Message-IDs, in whatever form it likes.
type server struct {
	name     string
	packages []string // of Debian; the first gives the version
	npm      string   // the package of npm that it is
	version  string   // where there is no package
	script   string   // testdata/SCRIPT.sh DIR PORT, and where the npm package is
	start    func(t *testing.T, dir string) (addr string)
	marker   string // on the lines of arrived that tell of a message; "": all do
	slow     bool
	silent   bool // it costs handoff_timeout, once
}

var servers = []server{
	{name: "Exim (GnuTLS)", script: "exim", packages: []string{"exim4-daemon-light", "libidn12"}, marker: " <= "},
	{name: "Postfix", start: startPostfix, packages: []string{"postfix"}, marker: "/cleanup["},
	{name: "mtad", start: startMtad, version: "this one", marker: " <= "},
	{name: "OpenSSL (Python's ssl), goes on", script: "openssl", packages: python()},
	{name: "aiosmtpd (OpenSSL)", script: "aiosmtpd", packages: append([]string{"python3-aiosmtpd", "python3-attr", "python3-public"}, python()...)},
	{name: "Sendmail", script: "sendmail", slow: true, marker: "<<< ", packages: []string{"sendmail-bin", "sendmail-base", "sendmail-cf", "m4",
		"libdb5.3", "libldap-2.5-0", "liblockfile1", "libnsl2", "libsasl2-2", "libwrap0"}},
	{name: "Courier (GnuTLS)", script: "courier", slow: true, packages: []string{"courier-mta", "courier-base", "courier-authlib",
		"libcourier-unicode4", "libgamin0", "libidn12", "libpcre3"}},
	{name: "Haraka (Node.js)", script: "haraka", npm: "Haraka", slow: true},
	{name: "mtad sink -tls-end close", start: startSink("close"), version: "this one"},
	{name: "mtad sink -tls-end rubbish", start: startSink("rubbish"), version: "this one"},
	{name: "mtad sink -tls-end hang", start: startSink("hang"), version: "this one", silent: true},
}

func python() []string {
	return []string{"python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libexpat1"}
}

// run starts the server in dir and returns where it listens.
func (s *server) run(t *testing.T, dir string) string {
	t.Helper()
	writeCertificate(t, dir)
	if s.start != nil {
		return s.start(t, dir)
	}
	if os.Getuid() != 0 {
		t.Fatalf("%s in namespaces of its own needs root", s.name)
	}
	addr := freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	script := []string{filepath.Join(testdata, s.script+".sh"), dir, port}
	if s.npm != "" {
		tree, err := peer.NPM(s.npm)
		if err != nil {
			t.Fatal(err)
		}
		script = append(script, tree)
	}
	child, err := peer.StartJailed(filepath.Join(testdata, "jail.sh"), dir, addr, s.packages, script...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Kill(); wantGone(t, addr) })
	return addr
}

// wantGone fails the test if a server outlives its jail.
func wantGone(t *testing.T, addr string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Errorf("something still listens at %s after its jail was killed", addr)
}

// versionOf is for the table.
func (s *server) versionOf() string {
	switch {
	case s.version != "":
		return s.version
	case s.npm != "":
		version, _ := peer.NPMVersion(s.npm)
		return version
	}
	return peer.Version(s.packages[0])
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := peer.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// writeCertificate makes cert.pem, key.pem and pair.pem, which has both.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{"peer.test", "127.0.0.1"}, Days: 1, RSA: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key, "pair.pem": append(key[:len(key):len(key)], cert...)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// startPostfix keeps what comes in its queue; its log goes to a file.
func startPostfix(t *testing.T, dir string) string {
	t.Helper()
	p, err := peer.StartPostfix(filepath.Join(dir, "postfix"), peer.PostfixConfig{NextHop: "127.0.0.1:1", Main: map[string]string{
		"maillog_file": filepath.Join(dir, "arrived"), "maillog_file_prefixes": "/",
		"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": filepath.Join(dir, "pair.pem"),
		"defer_transports": "smtp, relay",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(10 * time.Second) })
	return p.Addr
}

// startMtad is the other mtad; what it took waits in its queue.
func startMtad(t *testing.T, dir string) string {
	t.Helper()
	m, err := peer.StartMtad(program(t), dir, &peer.MtadConfig{NextHop: "127.0.0.1:1",
		Options: fmt.Sprintf("tls_advertise_hosts = \"*\"\ntls_certificate = %q\n", filepath.Join(dir, "pair.pem"))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	if err := os.Symlink("log/mainlog", filepath.Join(dir, "arrived")); err != nil {
		t.Fatal(err)
	}
	return m.Addr
}

// startSink is our test server, which can be as rude as any.
func startSink(end string) func(*testing.T, string) string {
	return func(t *testing.T, dir string) string {
		t.Helper()
		addr := freeAddr(t)
		child, err := peer.StartCommand(dir, addr, exec.Command(program(t), "sink", "-quiet", "-tls", "-tls-end", end, "-listen", addr, "-keep", filepath.Join(dir, "kept")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(child.Kill)
		return addr
	}
}

// took reads the numbers of the messages that arrived, in their order.
func (s *server) took(dir string) (numbers []string) {
	for line := range strings.Lines(arrived(dir)) {
		if !strings.Contains(line, s.marker) {
			continue
		}
		if _, rest, ok := strings.Cut(line, idWord); ok {
			n, _, _ := strings.Cut(rest, "@")
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// arrived is what the server wrote: one file, or kept messages in the order of
// their names.
func arrived(dir string) string {
	text, _ := os.ReadFile(filepath.Join(dir, "arrived"))
	kept, _ := filepath.Glob(filepath.Join(dir, "kept", "*"))
	for _, file := range kept {
		more, _ := os.ReadFile(file)
		text = append(text, more...)
	}
	return string(text)
}
