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

// A server that leaves Nagle's algorithm on and writes each reply by itself
// waits for our acknowledgement within every group of replies, which the kernel
// would put off for 40 ms.
func TestNoWaitForDelayedAcknowledgements(t *testing.T) {
	t.Parallel()
	const messages = 20
	store := certs.NewStore(certs.Options{Dir: t.TempDir()})
	s := settings(nil)
	s.HandoffTimeout = time.Minute
	s.TLS.Client = func(host Target) (*tls.Config, bool, error) {
		cfg, err := store.Client(certs.Client{}, certs.Host{Name: host.Name, Addr: host.Addr})
		return cfg, false, err
	}
	conn, f := Dial(t.Context(), chunky(t, serverTLS(tls.VersionTLS13, world().mx)), s)
	if f != nil {
		t.Fatal(f)
	}
	defer conn.Abort()
	env, rcpts := envelope(1)
	began := time.Now()
	for range messages {
		if res := deliver(t.Context(), conn, s, env, rcpts, memory("hello\r\n"), noRecord); len(res.Fates) != 1 || res.Fates[0].Kind != Delivered {
			t.Fatalf("%+v", res)
		}
		if f := TakeOver(t.Context(), conn, s); f != nil {
			t.Fatal(f)
		}
	}
	if took := time.Since(began); took > messages*35*time.Millisecond { // more than 40 each with the wait
		t.Errorf("%d messages took %s", messages, took)
	}
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
