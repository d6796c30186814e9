package tlsstate

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// A peer that keeps to TLS 1.3's keys and to nothing else: it writes the
// records that no library writes. Its handshake is crypto/tls's.

type forger struct {
	conn   net.Conn
	secret []byte // the traffic secret of its direction
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

const (
	alert       = 21
	handshake   = 22
	application = 23
)

// forge takes over conn's records in the direction whose secret log has under
// label, none of them written yet.
func forge(t testing.TB, conn net.Conn, log, label string) *forger {
	t.Helper()
	for line := range strings.Lines(log) {
		if f := strings.Fields(line); f[0] == label {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			fg := &forger{conn: conn, secret: secret}
			fg.rekey()
			return fg
		}
	}
	t.Fatalf("no %s in the key log", label)
	return nil
}

func (f *forger) rekey() {
	block, err := aes.NewCipher(expand(f.secret, "key", 16))
	if err != nil {
		panic(err)
	}
	f.aead, _ = cipher.NewGCM(block)
	f.iv, f.seq = expand(f.secret, "iv", 12), 0
}

// expand is HKDF-Expand-Label (RFC 8446 7.1).
func expand(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := string([]byte{byte(n >> 8), byte(n), byte(len(label))}) + label + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		panic(err)
	}
	return out
}

func (f *forger) record(typ byte, data ...byte) error {
	plain := append(bytes.Clone(data), typ)
	head := []byte{application, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(plain)+f.aead.Overhead()))
	nonce := bytes.Clone(f.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(f.seq >> (56 - 8*i))
	}
	f.seq++
	_, err := f.conn.Write(f.aead.Seal(head, nonce, plain, head))
	return err
}

func (f *forger) keyUpdate(answer byte) error {
	err := f.record(handshake, 24, 0, 0, 1, answer)
	f.secret = expand(f.secret, "traffic upd", len(f.secret))
	f.rekey()
	return err
}

func (f *forger) closeNotify() error { return f.record(alert, 1, 0) }

// forgedClient is a socket as server and the client that forges.
func forgedClient(t *testing.T) (*Socket, *forger) {
	t.Helper()
	server, peer := tcpPair(t)
	var log strings.Builder
	cfg := clientConfig(0)
	cfg.KeyLogWriter = &log
	serr, cerr := both(
		func() error { return server.StartServer(serverConfig(0), soon(), nil) },
		func() error { return tls.Client(peer, cfg).Handshake() })
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	return server, forge(t, peer, log.String(), "CLIENT_TRAFFIC_SECRET_0")
}

// THREATS CE-20, CE-21, CVE-2016-8610: none of these may go on for ever.
func TestFloods(t *testing.T) {
	t.Parallel()
	for name, flood := range map[string]func(*forger) error{
		"empty records":            func(f *forger) error { return f.record(application) },
		"KeyUpdate":                func(f *forger) error { return f.keyUpdate(0) },
		"KeyUpdate with an answer": func(f *forger) error { return f.keyUpdate(1) },
		"warnings":                 func(f *forger) error { return f.record(alert, 1, 90) },
		"records of one byte":      func(f *forger) error { return f.record(application, 'x') },
		"KeyUpdates and crumbs": func(f *forger) error {
			f.keyUpdate(0)
			return f.record(application, 'x')
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, f := forgedClient(t)
			const enough = 100_000
			sent := make(chan int)
			go func() {
				n := 0
				for ; n < enough && flood(f) == nil; n++ {
				}
				sent <- n
			}()
			_, err := io.Copy(io.Discard, struct{ io.Reader }{server})
			server.Close()
			if n := <-sent; n == enough {
				t.Errorf("all %d went through", n)
			}
			t.Log(err)
			if err == nil || errors.Is(err, ErrCut) || isTimeout(err) {
				t.Errorf("ended by %v", err)
			}
		})
	}
}

// A body in small records is slow, not a flood.
func TestSmallRecordsAreNoFlood(t *testing.T) {
	t.Parallel()
	server, f := forgedClient(t)
	go func() {
		for range 3 * maxDebt / recordCost {
			f.record(application, []byte("RSET ..\r\n")...)
		}
		f.closeNotify()
	}()
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{server}); err != ErrCloseNotify {
		t.Errorf("ended by %v", err)
	}
}

// A server's KeyUpdate that asks for an answer is under way when the client ends
// TLS. The answer must not come between the lines in clear.
func TestNoAnswerInClear(t *testing.T) {
	t.Parallel()
	client, peer := tcpPair(t)
	var log strings.Builder
	cfg := serverConfig(0)
	cfg.KeyLogWriter = &log
	cfg.SessionTicketsDisabled = true // a ticket would be the first record
	old := tls.Server(peer, cfg)
	serr, cerr := both(old.Handshake,
		func() error { return client.StartClient(clientConfig(0), soon(), nil) })
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	f := forge(t, peer, log.String(), "SERVER_TRAFFIC_SECRET_0")
	err := first(
		client.Shutdown,
		func() error { return expectEnd(old, io.EOF) }, // the client's close_notify
		func() error { return f.keyUpdate(1) },
		func() error { return send(peer, "220 go on\r\n") }, // without close_notify
		func() error { return expect(client, "220 go on\r\n") },
		func() error { return send(client, "EHLO\r\n") },
		func() error { return expect(peer, "EHLO\r\n") })
	if err != nil {
		t.Error(err)
	}
}

// Pending in TLS means a byte of data, whatever else has come.
func TestPendingInTLS(t *testing.T) {
	t.Parallel()
	server, f := forgedClient(t)
	arrived := func() {
		t.Helper()
		for range 1000 {
			if server.in.len() > 0 || server.in.inKernel() {
				return
			}
		}
		t.Fatal("nothing arrived")
	}
	if server.Pending() {
		t.Error("Pending before anything was sent")
	}
	f.keyUpdate(0)
	arrived()
	if server.Pending() {
		t.Error("Pending with a KeyUpdate")
	}
	f.record(application, []byte("RSET\r\nNOOP\r\n")...)
	arrived()
	for range 2 { // asking takes nothing
		if !server.Pending() {
			t.Error("not Pending with data")
		}
	}
	if err := expect(server, "RSET\r\n"); err != nil {
		t.Error(err)
	}
	if !server.Pending() {
		t.Error("not Pending with half a record left")
	}
	f.closeNotify()
	send(f.conn, "EHLO clear\r\n")
	err := first(
		func() error { return expect(server, "NOOP\r\n") },
		func() error {
			if server.Pending() {
				return errors.New("Pending with a close_notify")
			}
			return expectEnd(server, ErrCloseNotify)
		},
		server.Shutdown)
	if err != nil {
		t.Fatal(err)
	}
	if arrived(); !server.Pending() {
		t.Error("not Pending with clear text behind the close_notify")
	}
	if err := expect(server, "EHLO clear\r\n"); err != nil {
		t.Error(err)
	}
}

// What Pending finds wrong is not forgotten by the Read that follows: tls.Conn
// reports a message that has no place there only once.
func TestPendingKeepsError(t *testing.T) {
	t.Parallel()
	server, f := forgedClient(t)
	f.record(handshake, 1, 0, 0, 0)
	f.record(application, []byte("QUIT\r\n")...)
	for !server.Pending() && server.readErr == nil {
	}
	if _, err := server.Read(make([]byte, 10)); err == nil || isTimeout(err) {
		t.Errorf("read on after a ClientHello in mid-session: %v", err)
	}
	if err := server.Shutdown(); err == nil {
		t.Error("went to clear text after it")
	}
}

// Pending after Shutdown looks past the rest of the old session.
func TestPendingPastTheOldSession(t *testing.T) {
	t.Parallel()
	server, client := secured(t, tls.VersionTLS13)
	client.Shutdown()
	if client.Pending() {
		t.Error("Pending with tickets")
	}
	err := first(
		func() error { return expectEnd(server, ErrCloseNotify) },
		server.Shutdown,
		func() error { return send(server, "250 clear\r\n") })
	if err != nil {
		t.Fatal(err)
	}
	if !client.Pending() {
		t.Error("not Pending with clear text")
	}
	if err := expect(client, "250 clear\r\n"); err != nil {
		t.Error(err)
	}
}
