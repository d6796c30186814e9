package tlsstate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// What the tests speak with: certificates, a pair of connections in memory that
// cuts what it carries where a test wants it, and sockets over TCP.

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// identity is a certificate that signed itself, made once for all tests.
var identity = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{Country: []string{"UK"}, Organization: []string{"Example"}, CommonName: "mx.example"},
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"mx.example"},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func serverConfig(version uint16) *tls.Config {
	return &tls.Config{
		Certificates:     []tls.Certificate{identity()},
		MaxVersion:       version,
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
}

func clientConfig(version uint16) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(identity().Leaf)
	return &tls.Config{
		RootCAs:            roots,
		ServerName:         "mx.example",
		MaxVersion:         version,
		CurvePreferences:   []tls.CurveID{tls.X25519},
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
}

// lane is one direction of a connection in memory.
type lane struct {
	mu    sync.Mutex
	more  *sync.Cond
	b     []byte
	at    int  // offset of b[0] in all that was ever sent
	split int  // no read crosses this offset
	held  bool // what is written stays out of sight until the lane is let go
	sent  int  // bytes in sight: b[:sent]
	shut  bool
}

func newLane() *lane {
	l := &lane{split: -1}
	l.more = sync.NewCond(&l.mu)
	return l
}

func (l *lane) write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return 0, net.ErrClosed
	}
	l.b = append(l.b, p...)
	if !l.held {
		l.sent = len(l.b)
		l.more.Broadcast()
	}
	return len(p), nil
}

func (l *lane) hold(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held = held; !held {
		l.sent = len(l.b)
		l.more.Broadcast()
	}
}

func (l *lane) read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.sent == 0 {
		if l.shut {
			return 0, io.EOF
		}
		l.more.Wait()
	}
	n := min(len(p), l.sent)
	if l.at < l.split {
		n = min(n, l.split-l.at)
	}
	copy(p, l.b[:n])
	l.b, l.at, l.sent = l.b[n:], l.at+n, l.sent-n
	return n, nil
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = true
	l.more.Broadcast()
}

// end is one end of a connection in memory. It knows no deadlines.
type end struct {
	net.Conn // nil: what is not below is not called
	in, out  *lane
}

func memory() (a, b *end) {
	up, down := newLane(), newLane()
	return &end{in: up, out: down}, &end{in: down, out: up}
}

func (e *end) Read(p []byte) (int, error)       { return e.in.read(p) }
func (e *end) Write(p []byte) (int, error)      { return e.out.write(p) }
func (e *end) Close() error                     { e.in.close(); e.out.close(); return nil }
func (e *end) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (e *end) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }

// tcpPair is one TCP connection: ours and the peer's end.
func tcpPair(t testing.TB) (*Socket, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := New(conn)
	s.SetReadDeadline(soon())
	peer.SetDeadline(soon())
	t.Cleanup(func() { s.Close(); peer.Close() })
	return s, peer.(*net.TCPConn)
}

func soon() time.Time { return time.Now().Add(20 * time.Second) }

// both runs the two sides of a story and returns their errors.
func both(server, client func() error) (serr, cerr error) {
	done := make(chan error, 1)
	go func() { done <- server() }()
	cerr = client()
	return <-done, cerr
}

// secured is a pair over TCP with TLS on.
func secured(t testing.TB, version uint16) (server, client *Socket) {
	t.Helper()
	server, peer := tcpPair(t)
	client = New(peer)
	serr, cerr := both(
		func() error { return server.StartServer(serverConfig(version), soon(), nil) },
		func() error { return client.StartClient(clientConfig(version), soon(), nil) })
	if serr != nil || cerr != nil {
		t.Fatalf("handshake: server %v, client %v", serr, cerr)
	}
	return server, client
}

func send(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// expect reads exactly text.
func expect(r io.Reader, text string) error {
	got := make([]byte, len(text))
	n, err := io.ReadFull(r, got)
	if err == nil && string(got) != text {
		err = &unexpected{string(got), text}
	} else if err != nil {
		err = &unexpected{string(got[:n]) + " and " + err.Error(), text}
	}
	return err
}

type unexpected struct{ got, want string }

func (u *unexpected) Error() string { return "got " + u.got + ", not " + u.want }

// expectEnd reads until the error want, and no data before it.
func expectEnd(r io.Reader, want error) error {
	n, err := r.Read(make([]byte, 100))
	if n > 0 {
		return &unexpected{"data", want.Error()}
	}
	if !errors.Is(err, want) {
		if err == nil {
			err = os.ErrInvalid
		}
		return &unexpected{err.Error(), want.Error()}
	}
	return nil
}

// first returns the first error of steps, which run in order.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
