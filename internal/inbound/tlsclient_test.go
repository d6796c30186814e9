package inbound

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/tlsstate"
)

// port listens on TCP in front of a rig's sessions and returns the address.
func (r *rig) port(mode string) string {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				sock := tlsstate.New(conn)
				defer sock.Close()
				r.srv.Serve(sock, Listener{Name: "test", TLS: mode})
			}()
		}
	}()
	return l.Addr().String()
}

// caller is an SMTP client over TCP. All its waits end after ten seconds.
type caller struct {
	t    testing.TB
	sock *tlsstate.Socket
	held []byte
}

func call(t testing.TB, addr string) *caller {
	t.Helper()
	return callFrom(t, addr, "127.0.0.1")
}

// callFrom calls from an address of this machine.
func callFrom(t testing.TB, addr, from string) *caller {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	c := &caller{t: t, sock: tlsstate.New(conn)}
	c.sock.SetReadDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { c.sock.Close() })
	return c
}

// greeted calls a port in clear, and says EHLO.
func greeted(t testing.TB, addr string) *caller {
	t.Helper()
	return greetedFrom(t, addr, "127.0.0.1")
}

func greetedFrom(t testing.TB, addr, from string) *caller {
	t.Helper()
	c := callFrom(t, addr, from)
	c.want(c.reply(), "220 ")
	c.want(c.say("EHLO c.test"), "250-")
	return c
}

// reply reads one reply, "" where the connection has ended.
func (c *caller) reply() string {
	c.t.Helper()
	all := ""
	for {
		line, err := c.line()
		if err != nil {
			if os.IsTimeout(err) {
				c.t.Fatalf("no reply; so far %q", all)
			}
			return all
		}
		all += line
		if len(line) < 4 || line[3] != '-' {
			return all
		}
	}
}

func (c *caller) line() (string, error) {
	for {
		if i := strings.IndexByte(string(c.held), '\n'); i >= 0 {
			line := string(c.held[:i+1])
			c.held = c.held[i+1:]
			return line, nil
		}
		p := make([]byte, 4096)
		n, err := c.sock.Read(p)
		if c.held = append(c.held, p[:n]...); n == 0 && err != nil {
			return "", err
		}
	}
}

func (c *caller) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.sock, text); err != nil {
		c.t.Fatalf("cannot send %q: %v", text, err)
	}
}

func (c *caller) say(line string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	return c.reply()
}

func (c *caller) want(got, prefix string) {
	c.t.Helper()
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("answered %q, want %q", got, prefix)
	}
}

// talk says lines one after the other and checks how each answer begins: pairs.
func (c *caller) talk(pairs ...string) {
	c.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := c.say(pairs[i]); !strings.HasPrefix(got, pairs[i+1]) {
			c.t.Errorf("%s: answered %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
}

// ended checks that the connection ends and nothing else comes.
func (c *caller) ended() {
	c.t.Helper()
	if line, err := c.line(); err == nil || os.IsTimeout(err) {
		c.t.Errorf("still open: %q, %v", line, err)
	}
}

// handshake starts TLS as a client of that version.
func (c *caller) handshake(version uint16, change ...func(*tls.Config)) error {
	c.t.Helper()
	cfg := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
	for _, f := range change {
		f(cfg)
	}
	return c.sock.StartClient(cfg, time.Now().Add(10*time.Second), c.held)
}

// secure says STARTTLS and has the handshake.
func (c *caller) secure(version uint16, change ...func(*tls.Config)) {
	c.t.Helper()
	c.want(c.say("STARTTLS"), "220 TLS go ahead\r\n")
	if err := c.handshake(version, change...); err != nil {
		c.t.Fatal(err)
	}
}

// refused checks that a handshake comes to nothing: with TLS 1.3 a client
// learns of it by its first read.
func (c *caller) refused(version uint16, change ...func(*tls.Config)) {
	c.t.Helper()
	c.want(c.say("STARTTLS"), "220 ")
	if c.handshake(version, change...) == nil {
		io.WriteString(c.sock, "EHLO c.test\r\n")
		if got := c.reply(); got != "" {
			c.t.Errorf("the handshake should have failed, and EHLO is answered %q", got)
		}
	}
}

func withCertificate(i *issued) func(*tls.Config) {
	return func(c *tls.Config) {
		c.Certificates = []tls.Certificate{{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key}}
	}
}

// bothVersions runs a test in TLS 1.2 and in 1.3.
func bothVersions(t *testing.T, f func(t *testing.T, version uint16)) {
	for name, v := range map[string]uint16{"TLS1.2": tls.VersionTLS12, "TLS1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, v)
		})
	}
}

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate, signed by ca (nil: by itself).
func issue(t testing.TB, name string, ca *issued, change ...func(*x509.Certificate)) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Country: []string{"UK"}, Organization: []string{"Test"}, CommonName: name},
		DNSNames: []string{"mx.ours.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, f := range change {
		f(c)
	}
	parent, signer := c, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{cert, key}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.DNSNames = true, true, x509.KeyUsageCertSign, nil
}

// write puts PEM into a file of a folder: C is the certificate, K the key.
func (i *issued) write(t testing.TB, file, what string) string {
	t.Helper()
	var text []byte
	for _, w := range what {
		if w == 'C' {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})...)
			continue
		}
		der, err := x509.MarshalPKCS8PrivateKey(i.key)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	os.Remove(file) // a new inode: as if replaced
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// tlsRig has a certificate, and offers STARTTLS to everybody unless extra says
// otherwise; %s in extra is the folder of its files.
func tlsRig(t testing.TB, extra string) (*rig, string) {
	t.Helper()
	dir := t.TempDir()
	own := issue(t, "mx.ours.test", nil)
	text := ""
	if !strings.Contains(extra, "tls_certificate ") {
		text = fmt.Sprintf("tls_certificate = %q\n", own.write(t, filepath.Join(dir, "own.pem"), "CK"))
	}
	if !strings.Contains(extra, "tls_advertise_hosts") {
		text += "tls_advertise_hosts = \"*\"\n"
	}
	r := newRig(t, text+strings.ReplaceAll(extra, "%s", dir))
	return r, dir
}

// logged waits for a line to the operator that has all of these parts.
func (r *rig) logged(parts ...string) {
	r.t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		r.log.mu.Lock()
		all := strings.Join(r.log.lines, "\n")
		r.log.mu.Unlock()
		for line := range strings.SplitSeq(all, "\n") {
			found := true
			for _, p := range parts {
				found = found && strings.Contains(line, p)
			}
			if found {
				return
			}
		}
		if time.Now().After(end) {
			r.t.Fatalf("the log has no line with %q:\n%s", parts, all)
		}
	}
}
