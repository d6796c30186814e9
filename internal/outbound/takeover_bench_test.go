package outbound

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/tlsstate"
)

// BenchmarkHandOver is a message on a connection in TLS: with a session of its own
// (resumed), or with the one before kept; both ends are in the figure.
func BenchmarkHandOver(b *testing.B) {
	for _, c := range []struct {
		name    string
		version uint16
		groups  string
		keep    bool
	}{
		{"shutdown/TLS 1.2", tls.VersionTLS12, "", false},
		{"shutdown/TLS 1.3 X25519", tls.VersionTLS13, "X25519", false},
		{"shutdown/TLS 1.3", tls.VersionTLS13, "", false},
		{"keep/TLS 1.3", tls.VersionTLS13, "", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := settings(nil)
			s.HandoffTimeout = time.Minute
			store := certs.NewStore(certs.Options{Dir: b.TempDir()})
			s.TLS.Client = func(host Target) (*tls.Config, bool, error) {
				cfg, err := store.Client(certs.Client{Groups: c.groups}, certs.Host{Name: host.Name, Addr: host.Addr})
				return cfg, false, err
			}
			conn, f := Dial(b.Context(), willing(b, serverTLS(c.version, world().mx)), s)
			if f != nil {
				b.Fatal(f)
			}
			defer conn.Abort()
			env, rcpts := envelope(1)
			body := memory(string(make([]byte, 10<<10-2)) + "\r\n")
			for b.Loop() {
				if res := deliver(b.Context(), conn, s, env, rcpts, body, noRecord); len(res.Fates) != 1 || res.Fates[0].Kind != Delivered {
					b.Fatalf("%+v", res)
				}
				if c.keep {
					continue
				}
				if f := TakeOver(b.Context(), conn, s); f != nil {
					b.Fatal(f)
				}
			}
			if !c.keep && b.N > 1 && !conn.Socket.State().Resumed {
				b.Error("not resumed")
			}
		})
	}
}

// willing is a server that takes everything, and carries on after a shutdown.
func willing(b *testing.B, cfg *tls.Config) Target {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		sock := tlsstate.New(conn)
		in := bufio.NewReaderSize(sock, 32<<10)
		sock.Write([]byte("220 mx\r\n"))
		for {
			line, err := in.ReadSlice('\n')
			reply := "250 ok\r\n"
			switch {
			case err == tlsstate.ErrCloseNotify:
				sock.Shutdown()
				continue
			case err != nil:
				return
			case line[0] == 'E' && sock.State().On:
				reply = "250-mx\r\n250 PIPELINING\r\n"
			case line[0] == 'E':
				reply = "250-mx\r\n250 STARTTLS\r\n"
			case line[0] == 'S':
				sock.Write([]byte("220 go\r\n"))
				if sock.StartServer(cfg, time.Time{}, nil) != nil {
					return
				}
				continue
			case line[0] == 'D':
				sock.Write([]byte("354 go\r\n"))
				for err == nil && string(line) != ".\r\n" {
					if line, err = in.ReadSlice('\n'); err == bufio.ErrBufferFull {
						err = nil
					}
				}
			}
			sock.Write([]byte(reply))
		}
	}()
	return Target{Name: "mx.y.example", Addr: netip.MustParseAddrPort(l.Addr().String()), IP: "127.0.0.1"}
}
