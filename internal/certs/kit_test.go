package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// issued is a certificate with its key, made for a test.
type issued struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue makes a certificate of a year, signed by ca (nil: by itself), after
// change has had its way with it.
func issue(t testing.TB, name string, ca *issued, change ...func(*x509.Certificate)) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueFor(t, key, name, ca, change...)
}

func issueFor(t testing.TB, key crypto.Signer, name string, ca *issued, change ...func(*x509.Certificate)) *issued {
	t.Helper()
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"Test"}, CommonName: name},
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	for _, f := range change {
		f(tmpl)
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
	return &issued{cert, key}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.DNSNames = true, true, x509.KeyUsageCertSign, nil
}

func usage(u ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = u }
}

func valid(from, to time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
}

func sans(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.DNSNames = nil
		for _, n := range names {
			if ip := net.ParseIP(n); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
	}
}

func (i *issued) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})
}

func (i *issued) keyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (i *issued) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key}
}

// write puts files into a folder of the test.
func write(t testing.TB, dir, name string, parts ...[]byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	var data []byte
	for _, p := range parts {
		data = append(data, p...)
	}
	os.Remove(path) // a new inode: as if replaced
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// result is how a handshake ended on both sides.
type result struct {
	server, client       tls.ConnectionState
	serverErr, clientErr error
}

// shake does a handshake over TCP, with one byte each way behind it, so that
// tickets and late refusals arrive.
func shake(t testing.TB, server, client *tls.Config) result {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return shakeOver(s, c, server, client)
}

// shakePipe is shake without a network, for the clock of testing/synctest.
func shakePipe(server, client *tls.Config) result {
	s, c := net.Pipe()
	return shakeOver(buffer(s), buffer(c), server, client)
}

// buffered is a pipe whose writer does not wait for the reader.
type buffered struct {
	net.Conn
	out  chan []byte
	once sync.Once
}

func buffer(c net.Conn) net.Conn {
	b := &buffered{Conn: c, out: make(chan []byte, 64)}
	go func() {
		defer c.Close()
		for p := range b.out {
			c.Write(p)
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	b.out <- slices.Clone(p)
	return len(p), nil
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.out) })
	return nil
}

func shakeOver(s, c net.Conn, server, client *tls.Config) (r result) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.Close()
		s.SetDeadline(time.Now().Add(10 * time.Second))
		conn := tls.Server(s, server)
		if r.serverErr = conn.Handshake(); r.serverErr == nil {
			r.server = conn.ConnectionState()
			conn.Write([]byte("x"))
			conn.Read(make([]byte, 1))
		}
	}()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	conn := tls.Client(c, client)
	if r.clientErr = conn.Handshake(); r.clientErr == nil {
		r.client = conn.ConnectionState()
		if _, r.clientErr = conn.Read(make([]byte, 1)); r.clientErr == nil {
			conn.Write([]byte("y"))
		}
	}
	c.Close()
	<-done
	return r
}
