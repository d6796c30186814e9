package outbound

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/tlsstate"
)

// party is a certificate with its key.
type party struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate for these names, signed by ca (nil: an authority).
func issue(t testing.TB, ca *party, cn string, names ...string) *party {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: ca == nil, BasicConstraintsValid: true,
	}
	parent, signer := tmpl, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &party{cert, key}
}

func (p *party) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key}
}

// file writes the certificate, with its key where both is asked for.
func (p *party) file(t testing.TB, both bool) string {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})
	if both {
		der, err := x509.MarshalPKCS8PrivateKey(p.key)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	name := filepath.Join(t.TempDir(), "it.pem")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// world is who takes part in these tests; keys are made once.
var world = sync.OnceValue(func() (w struct{ ca, mx, other, client, stranger *party }) {
	var t testing.T
	w.ca = issue(&t, nil, "Test CA")
	w.stranger = issue(&t, nil, "Nobody's CA")
	w.mx = issue(&t, w.ca, "mx", "mx.y.example")
	w.other = issue(&t, w.ca, "other", "other.y.example")
	w.client = issue(&t, w.ca, "relay", "relay.example.net")
	return w
})

// versions are those that each row is tested with.
var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

// serverTLS is the server's configuration: that version alone.
func serverTLS(version uint16, who *party) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{who.tls()}, MinVersion: version, MaxVersion: version}
}

// peer is a server that does what a test says, over TCP.
type peer struct {
	sock *tlsstate.Socket
	tcp  *gagged
	in   *bufio.Reader
	cfg  *tls.Config
}

// gagged is a connection on which writes can be made to vanish.
type gagged struct {
	*net.TCPConn
	on atomic.Bool
}

func (g *gagged) Write(p []byte) (int, error) {
	if g.on.Load() {
		return len(p), nil
	}
	return g.TCPConn.Write(p)
}

// plain hides that it is a socket of the kernel.
type plain struct{ net.Conn }

// must ends a script; who runs it reports.
func must(err error, what string) {
	if err != nil {
		panic(fmt.Errorf("%s: %w", what, err))
	}
}

func (p *peer) say(lines ...string) {
	_, err := io.WriteString(p.sock, strings.Join(lines, "\r\n")+"\r\n")
	must(err, "say "+lines[0])
}

func (p *peer) want(lines ...string) {
	for _, line := range lines {
		got, err := p.in.ReadString('\n')
		if err == nil && got != line+"\r\n" {
			err = fmt.Errorf("read %q", got)
		}
		must(err, "want "+line)
	}
}

const ehlo = "EHLO relay.example.net"

// hello is the beginning of a session; offers are what EHLO is answered.
func (p *peer) hello(offers ...string) {
	p.say("220 mx")
	p.ehlo(offers...)
}

func (p *peer) ehlo(offers ...string) {
	p.want(ehlo)
	lines := append([]string{"mx"}, offers...)
	for i := range lines {
		lines[i] = "250-"[:3] + map[bool]string{true: " ", false: "-"}[i == len(lines)-1] + lines[i]
	}
	p.say(lines...)
}

// startTLS answers STARTTLS and does the handshake.
func (p *peer) startTLS() {
	p.want("STARTTLS")
	p.say("220 go ahead")
	p.shake()
}

func (p *peer) shake() {
	must(p.sock.StartServer(p.cfg, time.Now().Add(10*time.Second), nil), "handshake")
}

// secure is a session up to where MAIL is expected.
func (p *peer) secure() {
	p.hello("STARTTLS")
	p.startTLS()
	p.ehlo()
}

// message takes one.
func (p *peer) message() {
	p.want("MAIL FROM:<a@x.example>")
	p.say("250 ok")
	p.want("RCPT TO:<recipient-0@y.example>")
	p.say("250 ok")
	p.want("DATA")
	p.say("354 go on")
	p.want("Subject: hi", "", "..dot", "hi", ".")
	p.say("250 taken")
}

// closeNotify waits for the client to end TLS.
func (p *peer) closeNotify() {
	_, err := p.in.ReadByte()
	if !errors.Is(err, tlsstate.ErrCloseNotify) {
		panic(fmt.Errorf("want close_notify, got %v", err))
	}
}

// down ends TLS as the client has; silent: without a close_notify of its own.
func (p *peer) down(silent bool) {
	p.closeNotify()
	p.tcp.on.Store(silent)
	must(p.sock.Shutdown(), "shutdown")
	p.tcp.on.Store(false)
}

// quit waits for the end: QUIT or nothing, and nothing else.
func (p *peer) quit() {
	line, _ := p.in.ReadString('\n')
	if line != "" && line != "QUIT\r\n" {
		panic(fmt.Errorf("unexpected: %q", line))
	}
	io.WriteString(p.sock, "221 bye\r\n")
}

func (p *peer) reset() { p.tcp.SetLinger(0) }

// stage runs scripts, one for each connection in turn, and returns where.
func stage(t *testing.T, cfg *tls.Config, scripts ...func(*peer)) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for i, script := range scripts {
			conn, err := l.Accept()
			if err != nil {
				t.Errorf("connection %d never came", i+1)
				return
			}
			if err := perform(conn.(*net.TCPConn), cfg, script); err != nil {
				t.Errorf("server, connection %d: %v", i+1, err)
			}
		}
		if conn, err := l.Accept(); err == nil {
			conn.Close()
			t.Error("server: one connection too many")
		}
	}()
	addr := netip.MustParseAddrPort(l.Addr().String())
	return Target{Name: "mx.y.example", Addr: addr, IP: "127.0.0.1"}
}

func perform(conn *net.TCPConn, cfg *tls.Config, script func(*peer)) (err error) {
	p := &peer{tcp: &gagged{TCPConn: conn}, cfg: cfg}
	p.sock = tlsstate.New(plain{p.tcp})
	p.in = bufio.NewReader(p.sock)
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	defer conn.Close()
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	script(p)
	return nil
}

// tlsSettings are settings with an engine, and the options of section 5 that
// change makes of none.
func tlsSettings(t *testing.T, change func(*certs.Client)) *Settings {
	s := settings(nil)
	s.CommandTimeout, s.HandoffTimeout = 10*time.Second, 10*time.Second
	store := certs.NewStore(certs.Options{Dir: t.TempDir()})
	var o certs.Client
	if change != nil {
		change(&o)
	}
	s.TLS.Client = func(host Target) (*tls.Config, bool, error) {
		cfg, err := store.Client(o, certs.Host{Name: host.Name, Addr: host.Addr})
		return cfg, o.VerifyCertificates != "", err
	}
	return s
}
