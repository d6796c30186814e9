package outbound

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/tlsstate"
)

// A server that leaves Nagle's algorithm on and writes each reply, and each TLS
// ticket, by itself waits for our acknowledgement in between, which the kernel
// would put off for 40 ms.

func TestHandOverWaitsForNoAcknowledgement(t *testing.T) {
	t.Parallel()
	conn := dialChunky(t)
	inTime(t, func() {
		deliverChunky(t, conn)
		if f := TakeOver(t.Context(), conn, conn.Settings); f != nil {
			t.Fatal(f)
		}
	})
}

func TestMessageWaitsForNoAcknowledgement(t *testing.T) {
	t.Parallel()
	conn := dialChunky(t)
	inTime(t, func() { deliverChunky(t, conn) })
}

func deliverChunky(t *testing.T, conn *Conn) {
	t.Helper()
	env, rcpts := envelope(1)
	res := deliver(t.Context(), conn, conn.Settings, env, rcpts, memory("hello\r\n"), noRecord)
	if len(res.Fates) != len(rcpts) || res.Fates[0].Kind != Delivered {
		t.Fatalf("%+v", res)
	}
}

// inTime wants many f to take less than a delayed acknowledgement each.
func inTime(t *testing.T, f func()) {
	t.Helper()
	const times = 20
	began := time.Now()
	for range times {
		f()
	}
	if took := time.Since(began); took > times*30*time.Millisecond {
		t.Errorf("%d took %s", times, took)
	}
}

func dialChunky(t *testing.T) *Conn {
	t.Helper()
	store := certs.NewStore(certs.Options{Dir: t.TempDir()})
	s := settings(nil)
	s.HandoffTimeout = time.Minute
	s.TLS.Client = func(host Target) (*tls.Config, bool, error) {
		cfg, err := store.Client(certs.Client{}, certs.Host{Name: host.Name, Addr: host.Addr})
		return cfg, false, err
	}
	cfg := serverTLS(tls.VersionTLS13, world().mx)
	// crypto/tls sends tickets behind the client's Finished, as others do, only
	// where it asks for a certificate, and does not resume.
	cfg.ClientAuth = tls.RequestClientCert
	cfg.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil }
	conn, f := Dial(t.Context(), chunky(t, cfg), s)
	if f != nil {
		t.Fatal(f)
	}
	t.Cleanup(conn.Abort)
	return conn
}

// chunky is such a server. Its small writes stand for themselves.
func chunky(t *testing.T, cfg *tls.Config) Target {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.(*net.TCPConn).SetNoDelay(false)
		sock := tlsstate.New(conn)
		in := bufio.NewReader(sock)
		say := func(line string) { fmt.Fprintf(sock, "%s\r\n", line) }
		say("220 mx")
		for {
			line, err := in.ReadString('\n')
			switch {
			case err == tlsstate.ErrCloseNotify:
				sock.Shutdown()
			case err != nil:
				return
			case line == "STARTTLS\r\n":
				say("220 go ahead")
				if sock.StartServer(cfg, time.Time{}, nil) != nil {
					return
				}
			case line[:4] == "EHLO" && sock.State().On:
				say("250-mx\r\n250 PIPELINING")
			case line[:4] == "EHLO":
				say("250-mx\r\n250 STARTTLS")
			case line == "DATA\r\n":
				say("354 go ahead")
				for err == nil && line != ".\r\n" {
					line, err = in.ReadString('\n')
				}
				say("250 ok")
			default:
				say("250 ok")
			}
		}
	}()
	return Target{Name: "mx.y.example", Addr: netip.MustParseAddrPort(l.Addr().String()), IP: "127.0.0.1"}
}
