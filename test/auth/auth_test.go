package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mtad/test/interop/peer"
)

// canary is bob's secret. Nothing that mtad writes may contain it.
const canary = "Kanarienvogel-7Q2x"

const (
	stranger = "127.0.0.9"
	byName   = "127.0.0.2"    // in host_accept_relay
	byAuth   = "127.0.0.3"    // in host_auth_accept_relay
	byTLS    = "127.0.0.4"    // in tls_host_accept_relay, with a certificate
	mustTLS  = "127.0.0.5"    // in tls_hosts
	mustAuth = "127.0.0.6"    // in auth_hosts
	hidden   = "127.0.0.7"    // in auth_over_tls_hosts
	many     = "127.1.0.0/16" // in host_auth_accept_relay: who fails is not slowed down for others' failures
)

// daemon is a running mtad, its folder, and a certificate that it trusts.
type daemon struct {
	*peer.Mtad
	dir  string
	cert tls.Certificate
}

// start builds and runs mtad with bob as its user. Mail goes to a port where
// nobody is, and stays in the spool.
func start(t *testing.T, extra string) *daemon {
	t.Helper()
	dir := t.TempDir()
	bin, err := peer.BuildMtad(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	add := exec.Command(bin, "user", "add", "-plain", filepath.Join(dir, "users.toml"), "bob")
	add.Stdin = strings.NewReader(canary + "\n")
	if out, err := add.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("mtad user add: %v %s", err, out)
	}
	d := &daemon{dir: dir, cert: clientCertificate(t, filepath.Join(dir, "clients.pem"))}
	options := extra + `
relay_domains = "ours.test"
host_auth_accept_relay = ["` + byAuth + `", "` + mustAuth + `", "` + hidden + `", "` + many + `"]
tls_host_accept_relay = "` + byTLS + `"
tls_verify_hosts = "` + byTLS + `"
tls_verify_certificates = "clients.pem"
tls_advertise_hosts = "*"
tls_hosts = "` + mustTLS + `"
tls_certificate = "self-signed"
auth_hosts = "` + mustAuth + `"
auth_over_tls_hosts = "` + hidden + `"
`
	for _, a := range [][3]string{{"plain", "plaintext", "PLAIN"}, {"login", "plaintext", "LOGIN"}, {"cram", "cram_md5", "CRAM-MD5"}, {"scram", "scram", "SCRAM-SHA-256"}} {
		options += fmt.Sprintf("[[authenticator]]\nname = %q\ndriver = %q\npublic_name = %q\nserver_users = \"users.toml\"\n", a[0], a[1], a[2])
	}
	d.Mtad, err = peer.StartMtad(bin, dir, &peer.MtadConfig{NextHop: "127.0.0.1:1", Relay: byName, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Kill)
	return d
}

// clientCertificate makes one that signs itself, and writes it into a collection.
func clientCertificate(t *testing.T, file string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// call connects from an address and says EHLO.
func (d *daemon) call(t *testing.T, from string) (c *client, offered string) {
	t.Helper()
	c = dial(t, d.Addr, from)
	return c, c.say("EHLO c.test")
}

// relays and refused are transactions to a foreign domain, and how they end.
var (
	relays  = []string{"MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "250 Accepted", "RSET", "250"}
	refused = []string{"MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "550 relaying to <u@ext.test> prohibited", "DATA", "503", "RSET", "250", "MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ours.test>", "250", "RSET", "250"}
)

var plainBob = "AUTH PLAIN " + b64("\x00bob\x00"+canary)

// S10 to S13, ST-05 and the three rights, each alone, in both versions of TLS.
func TestWhoMayRelay(t *testing.T) {
	t.Parallel()
	d := start(t, "")
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secure := func(c *client, certs ...tls.Certificate) {
				t.Helper()
				if err := c.secure(version, certs...); err != nil {
					t.Fatal(err)
				}
			}
			t.Run("S11 nobody", func(t *testing.T) {
				c, _ := d.call(t, stranger)
				c.talk(refused...)
				c.talk(plainBob, "235") // known, and not in host_auth_accept_relay
				c.talk(refused...)
				secure(c)
				c.talk(refused...)
			})
			t.Run("S11 by address", func(t *testing.T) {
				c, _ := d.call(t, byName)
				c.talk(relays...)
				secure(c)
				c.talk(relays...)
				c.clear()
				c.talk(relays...)
			})
			t.Run("S11 by AUTH, ST-05", func(t *testing.T) {
				c, _ := d.call(t, byAuth)
				c.talk(refused...)
				c.talk(plainBob, "235")
				c.talk(relays...)
				secure(c)
				c.talk(refused...)
				c.talk(plainBob, "235")
				c.talk(relays...)
				c.clear()
				c.talk(refused...)
			})
			t.Run("S11 by TLS", func(t *testing.T) {
				c, _ := d.call(t, byTLS)
				c.talk(refused...)
				c.talk(plainBob, "235")
				c.talk(refused...)
				secure(c, d.cert)
				c.talk(relays...)
				c.clear()
				c.talk(refused...)
				c, _ = d.call(t, byTLS)
				if c.secure(version) == nil {
					t.Error("TLS without a certificate")
				}
				c, _ = d.call(t, stranger)
				secure(c, d.cert)
				c.talk(refused...)
			})
			t.Run("S10", func(t *testing.T) {
				c, _ := d.call(t, mustTLS)
				c.talk("MAIL FROM:<a@ext.test>", "503 Use of TLS required", plainBob, "235", "MAIL FROM:<a@ext.test>", "503 Use of TLS required")
				secure(c)
				c.talk(refused...)
			})
			t.Run("S12", func(t *testing.T) {
				c, offered := d.call(t, hidden)
				if strings.Contains(offered, "AUTH") {
					t.Errorf("offered %q", offered)
				}
				c.talk(plainBob, "503 AUTH command used when not advertised")
				secure(c)
				c.talk(plainBob, "235")
				c.talk(relays...)
				c.clear()
				c.talk(plainBob, "503")
				c.talk(refused...)
			})
			t.Run("S13", func(t *testing.T) {
				c, _ := d.call(t, mustAuth)
				c.talk("MAIL FROM:<a@ext.test>", "550 authentication required", plainBob, "235")
				c.talk(relays...)
				secure(c)
				c.talk("MAIL FROM:<a@ext.test>", "550 authentication required", plainBob, "235")
				c.talk(relays...)
			})
		})
	}
}

// mtad send authenticates in TLS, on each connection, and not in clear.
func TestSendAuthenticates(t *testing.T) {
	t.Parallel()
	d := start(t, "")
	file := filepath.Join(d.dir, "secret")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	send := func(args ...string) (string, error) {
		out, err := exec.Command(filepath.Join(d.dir, "mtad"), append([]string{"send", "-to", d.Addr, "-rcpt", "u@ours.test"}, args...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := send("-tls", "-messages", "3", "-per-connection", "1", "-auth", "bob:"+file, "-auth-mechanism", "plain"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := send("-tls", "-auth", "bob:"+file); err != nil {
		t.Errorf("the strongest: %v\n%s", err, out)
	}
	if out, err := send("-auth", "bob:"+file); err == nil || !strings.Contains(out, "-auth needs -tls") {
		t.Errorf("in clear: %v\n%s", err, out)
	}
	if out, err := send("-tls", "-auth", "eve:"+file); err == nil {
		t.Errorf("somebody else: %s", out)
	}
	log, _ := os.ReadFile(filepath.Join(d.dir, "log", "mainlog"))
	if n := strings.Count(string(log), " A=plain:bob "); n != 3 {
		t.Errorf("%d messages by bob in\n%s", n, log)
	}
	if n := strings.Count(string(log), " A=scram:bob "); n != 1 {
		t.Errorf("%d messages by SCRAM in\n%s", n, log)
	}
}

// AU-11: bob's secret, said in every mechanism, rightly, wrongly, cut off and in
// the wrong place, is in no log, metric, page, reply, spool file or stack trace.
func TestAU11Canary(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"exim", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			d := start(t, fmt.Sprintf("log_format = %q\nsmtp_max_errors = 3\n", format))
			var said strings.Builder
			for _, inTLS := range []bool{false, true} {
				said.WriteString(d.everyMechanism(t, inTLS))
			}
			said.WriteString(d.pages(t))
			syscall.Kill(d.PID(), syscall.SIGQUIT) // its last words are the stacks of all that runs
			<-d.Done()
			if !strings.Contains(d.Output(), "goroutine") {
				t.Errorf("no stacks: %s", d.Output())
			}
			d.search(t, "replies and pages", []byte(said.String()))
			files := 0
			filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.Type().IsRegular() || entry.Name() == "users.toml" || entry.Name() == "mtad" {
					return err
				}
				text, err := os.ReadFile(path)
				if err != nil {
					t.Error(err)
				}
				files++
				d.search(t, path, text)
				return nil
			})
			log, _ := os.ReadFile(filepath.Join(d.dir, "log", "mainlog"))
			if files < 5 || !bytes.Contains(log, []byte("535 ")) || !bytes.Contains(log, []byte("bob")) {
				t.Errorf("%d files were looked at, and mainlog tells of no failures:\n%s", files, log)
			}
		})
	}
}

// everyMechanism says the secret in all ways, each from an address of its own,
// and returns all replies.
func (d *daemon) everyMechanism(t *testing.T, inTLS bool) string {
	t.Helper()
	var mu sync.Mutex
	var all strings.Builder
	addresses := 0
	session := func(t *testing.T, talk func(*client)) {
		t.Helper()
		mu.Lock()
		addresses++
		from := fmt.Sprintf("127.1.%d.%d", map[bool]int{false: 1, true: 2}[inTLS], addresses)
		mu.Unlock()
		c, _ := d.call(t, from)
		if inTLS {
			if err := c.secure(tls.VersionTLS13); err != nil {
				t.Fatal(err)
			}
		}
		talk(c)
		mu.Lock()
		defer mu.Unlock()
		all.WriteString(c.all.String())
	}
	for mechanism, driver := range map[string]string{"PLAIN": "plaintext", "LOGIN": "plaintext", "CRAM-MD5": "cram_md5", "SCRAM-SHA-256": "scram"} {
		session(t, func(c *client) {
			if got := c.prove(mechanism, driver, "bob", canary); !strings.HasPrefix(got, "235") {
				t.Errorf("%s: %q", mechanism, got)
			}
			c.talk("MAIL FROM:<a@ext.test>", "250", "RCPT TO:<u@ext.test>", "250", "DATA", "354", "Subject: x\r\n\r\nx\r\n.", "250")
		})
	}
	t.Run(fmt.Sprintf("wrongly, TLS %v", inTLS), func(t *testing.T) {
		for i, lines := range wrongWays() {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				session(t, func(c *client) {
					for _, line := range lines {
						if c.say(line) == "" {
							break
						}
					}
				})
			})
		}
	})
	return all.String()
}

// wrongWays are dialogues in which the secret comes to nothing.
func wrongWays() (all [][]string) {
	for _, secret := range []string{b64("\x00bob\x00" + canary), b64("\x00nobody\x00" + canary), b64("\x00bob\x00x" + canary), b64(canary), canary} {
		all = append(all,
			[]string{"AUTH PLAIN " + secret, "AUTH PLAIN " + secret + " " + secret}, []string{"AUTH PLAIN", secret + "\x00"},
			[]string{"AUTH LOGIN", b64("bob"), secret}, []string{"AUTH LOGIN " + secret, "*"}, []string{"AUTH CRAM-MD5", secret},
			[]string{"AUTH SCRAM-SHA-256 " + secret}, []string{"AUTH GSSAPI " + secret, "AUTH " + secret, "AUTHX " + secret},
			[]string{secret, secret, secret, secret, secret}, []string{"HELO c.test", "AUTH PLAIN " + secret, secret + "\r\nQUIT"},
			[]string{"AUTH PLAIN\r\n" + secret}, []string{"NOOP\r\nAUTH PLAIN " + secret + "\r\nNOOP"},
			[]string{"STARTTLS\r\nAUTH PLAIN " + secret}, []string{"STARTTLS\r\nEHLO c\r\nAUTH PLAIN " + secret},
			[]string{"EHLO c.test\r\nAUTH PLAIN " + secret}, []string{"MAIL FROM:<a@ext.test> AUTH=" + secret}, []string{"AUTH PLAIN " + secret + "\n"})
	}
	return all
}

// pages are all that the daemon shows of itself.
func (d *daemon) pages(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, page := range []string{"/", "/metrics", "/api/v1/status", "/api/v1/queue", "/healthz", "/debug/pprof/goroutine?debug=2"} {
		r, err := http.Get("http://" + d.Admin + page)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	if !strings.Contains(all.String(), `mtad_auth_total{side="server",mechanism="PLAIN",result="done"}`) {
		t.Error("the metrics do not tell of AUTH")
	}
	return all.String()
}

// search looks for the secret, as it is and in base64 at each of three offsets.
func (d *daemon) search(t *testing.T, where string, text []byte) {
	t.Helper()
	forms := []string{canary, hex.EncodeToString([]byte(canary))}
	for offset := range 3 {
		whole := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + canary))
		forms = append(forms, whole[(offset*8+5)/6:len(whole)-1])
	}
	for _, form := range forms {
		if i := bytes.Index(text, []byte(form)); i >= 0 {
			t.Errorf("the secret is in %s: %q", where, text[max(0, i-200):min(len(text), i+len(form)+100)])
		}
	}
}
