//go:build interop

package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/tlsstate"
)

// A tlsstate socket and the openssl program, each in turn server and client.
// Run: go test -tags interop ./test/interop/

var tlsVersions = map[string]string{"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}

func deadline() time.Time { return time.Now().Add(20 * time.Second) }

// TestOpenSSLClient: STARTTLS, a line there and back, close_notify by the
// client's Q command, answered; then its FIN in clear.
func TestOpenSSLClient(t *testing.T) {
	for flag, version := range tlsVersions {
		t.Run(version, func(t *testing.T) {
			s, in, _ := sClient(t, flag)
			if got := s.State().Version; got != version {
				t.Errorf("spoke %s", got)
			}
			io.WriteString(in, "NOOP\n")
			expectLine(t, s, "NOOP")
			io.WriteString(in, "Q\n")
			if _, err := s.Read(make([]byte, 10)); err != tlsstate.ErrCloseNotify {
				t.Fatalf("after Q: %v", err)
			}
			if err := s.Shutdown(); err != nil {
				t.Fatal(err)
			}
			if n, err := s.Read(make([]byte, 10)); n != 0 || err != io.EOF {
				t.Errorf("in clear: %d bytes, %v", n, err)
			}
		})
	}
}

// A client that dies is a cut, not an end in order.
func TestOpenSSLClientKilled(t *testing.T) {
	for flag, version := range tlsVersions {
		t.Run(version, func(t *testing.T) {
			s, in, client := sClient(t, flag)
			io.WriteString(in, "DATA\n")
			expectLine(t, s, "DATA")
			client.Process.Kill()
			if _, err := s.Read(make([]byte, 10)); !errors.Is(err, tlsstate.ErrCut) {
				t.Errorf("ended by %v", err)
			}
		})
	}
}

// CE-19: renegotiation by the client (R) is refused; a KeyUpdate (K, with an
// answer) is followed.
func TestOpenSSLClientCommands(t *testing.T) {
	s, in, _ := sClient(t, "-tls1_2")
	io.WriteString(in, "R\n")
	if n, err := s.Read(make([]byte, 10)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("renegotiation: %d bytes, %v", n, err)
	}
	s, in, _ = sClient(t, "-tls1_3")
	for range 3 {
		io.WriteString(in, "K\n")
		time.Sleep(100 * time.Millisecond) // s_client takes a letter as a command only if it is read alone
		io.WriteString(in, "NOOP\n")
		expectLine(t, s, "NOOP")
	}
}

// sClient is a socket with TLS on and the s_client at its other end, which has
// come through STARTTLS.
func sClient(t *testing.T, flag string) (*tlsstate.Socket, io.Writer, *exec.Cmd) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := exec.Command("openssl", "s_client", flag, "-starttls", "smtp", "-crlf", "-connect", l.Addr().String())
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Process.Kill(); client.Wait() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := tlsstate.New(conn)
	t.Cleanup(func() { s.Close() })
	s.SetReadDeadline(deadline())
	io.WriteString(s, "220 mtad\r\n")
	expectLine(t, s, "EHLO mail.example.com")
	io.WriteString(s, "250-mtad\r\n250 STARTTLS\r\n")
	expectLine(t, s, "STARTTLS")
	io.WriteString(s, "220 go\r\n")
	cert, _, _ := certificate(t)
	if err := s.StartServer(&tls.Config{Certificates: []tls.Certificate{cert}}, deadline(), nil); err != nil {
		t.Fatal(err)
	}
	return s, in, client
}

// TestOpenSSLServer: a line there and back; then the client ends TLS without
// having read the tickets, and finds the end of the connection behind them.
func TestOpenSSLServer(t *testing.T) {
	for flag, version := range tlsVersions {
		t.Run(version, func(t *testing.T) {
			s := sServer(t, flag)
			if got := s.State().Version; got != version {
				t.Errorf("spoke %s", got)
			}
			io.WriteString(s, "olleh\r\n")
			expectLine(t, s, "hello") // s_server -rev
			if err := s.Shutdown(); err != nil {
				t.Fatal(err)
			}
			if n, err := s.Read(make([]byte, 10)); n != 0 || err != io.EOF {
				t.Errorf("in clear: %d bytes, %v", n, err)
			}
		})
	}
}

func sServer(t *testing.T, flag string) *tlsstate.Socket {
	t.Helper()
	_, certFile, keyFile := certificate(t)
	server := exec.Command("openssl", "s_server", flag, "-rev", "-accept", "127.0.0.1:0", "-cert", certFile, "-key", keyFile)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	conn, err := net.Dial("tcp", announced(t, out))
	if err != nil {
		t.Fatal(err)
	}
	s := tlsstate.New(conn)
	t.Cleanup(func() { s.Close() })
	s.SetReadDeadline(deadline())
	if err := s.StartClient(&tls.Config{InsecureSkipVerify: true}, deadline(), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// announced is the address in s_server's line "ACCEPT 127.0.0.1:port".
func announced(t *testing.T, out io.Reader) string {
	t.Helper()
	var text []byte
	for p := make([]byte, 1); ; {
		if _, err := out.Read(p); err != nil {
			t.Fatalf("s_server said %q", text)
		}
		if text = append(text, p[0]); p[0] == '\n' {
			if _, addr, ok := strings.Cut(string(text), "ACCEPT "); ok {
				return strings.TrimSpace(addr)
			}
		}
	}
}

// expectLine reads one line, a byte at a time: what follows it stays.
func expectLine(t *testing.T, r io.Reader, want string) {
	t.Helper()
	var line []byte
	for p := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")); {
		if _, err := r.Read(p); err != nil {
			t.Fatalf("got %q and %v, not %q", line, err, want)
		}
		line = append(line, p[0])
	}
	if got := strings.TrimRight(string(line), "\r\n"); got != want {
		t.Fatalf("got %q, not %q", got, want)
	}
}

// certificate signs itself; it comes parsed and as files.
func certificate(t *testing.T) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, certFile, keyFile
}
