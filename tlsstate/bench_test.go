package tlsstate

import (
	"crypto/tls"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// looped is a server on the loopback address that gives each connection to
// serve; dial makes one.
func looped(b *testing.B, serve func(net.Conn)) (dial func() net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		return conn
	}
}

// cpu reports the processor time of both ends an operation, which a busy
// machine blurs less than time.
func cpu(b *testing.B) (report func()) {
	used := func() int64 {
		var u unix.Rusage
		unix.Getrusage(unix.RUSAGE_SELF, &u)
		return u.Utime.Nano() + u.Stime.Nano()
	}
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/float64(b.N)/1000, "cpu-µs/op") }
}

// BenchmarkHandshake compares a connection with TLS on a Socket at both ends
// and with tls.Conn alone: a word there and back, then the end.
func BenchmarkHandshake(b *testing.B) {
	for _, resume := range []string{"full", "resumed"} {
		for name, version := range versions {
			cfg := configs(version)
			if resume == "full" {
				cfg.client.ClientSessionCache = nil
			}
			b.Run(resume+"/"+name+"/bare", func(b *testing.B) {
				dial := looped(b, func(conn net.Conn) {
					c := tls.Server(conn, cfg.server)
					io.CopyN(c, c, 4)
					c.Close()
				})
				defer cpu(b)()
				for b.Loop() {
					c := tls.Client(dial(), cfg.client)
					echo(b, c)
					c.Close()
				}
			})
			b.Run(resume+"/"+name+"/socket", func(b *testing.B) {
				dial := looped(b, func(conn net.Conn) {
					s := New(conn)
					s.StartServer(cfg.server, soon(), nil)
					io.CopyN(s, s, 4)
					s.Shutdown()
					s.Close()
				})
				defer cpu(b)()
				for b.Loop() {
					s := New(dial())
					if err := s.StartClient(cfg.client, soon(), nil); err != nil {
						b.Fatal(err)
					}
					echo(b, s)
					s.Shutdown()
					s.Close()
				}
			})
		}
	}
}

func echo(b *testing.B, c io.ReadWriter) {
	var p [4]byte
	if _, err := c.Write(p[:]); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c, p[:]); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkClear is a line there and back, in clear.
func BenchmarkClear(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		c := looped(b, func(conn net.Conn) { io.Copy(plain{conn}, plain{conn}) })()
		defer c.Close()
		b.ReportAllocs()
		for b.Loop() {
			echo(b, c)
		}
	})
	b.Run("socket", func(b *testing.B) {
		c := New(looped(b, func(conn net.Conn) { s := New(conn); io.Copy(plain{s}, plain{s}) })())
		defer c.Close()
		b.ReportAllocs()
		for b.Loop() {
			echo(b, c)
		}
	})
}

// plain hides splice from io.Copy.
type plain struct{ io.ReadWriter }

// BenchmarkPending is the question asked before each reply is written.
func BenchmarkPending(b *testing.B) {
	s, _ := tcpPair(b)
	b.ReportAllocs()
	for b.Loop() {
		s.Pending()
	}
}

// BenchmarkHandOver is what a message costs on a connection that is handed
// over: TLS ended at both ends, a word in clear, a resumed handshake.
func BenchmarkHandOver(b *testing.B) {
	for name, version := range versions {
		b.Run(name, func(b *testing.B) {
			server, peer := tcpPair(b)
			client, cfg := New(peer), configs(version)
			go func() {
				for server.StartServer(cfg.server, soon(), nil) == nil {
					io.CopyN(server, server, 4)
					server.Read(make([]byte, 1))
					server.Shutdown()
					io.CopyN(server, server, 4)
				}
			}()
			b.ReportAllocs()
			for b.Loop() {
				if err := client.StartClient(cfg.client, soon(), nil); err != nil {
					b.Fatal(err)
				}
				echo(b, client)
				client.Shutdown()
				echo(b, client)
			}
			client.Close()
		})
	}
}

// BenchmarkBody sends 10 KB in TLS.
func BenchmarkBody(b *testing.B) {
	body := make([]byte, 10_000)
	for name, wrap := range map[string]func(*Socket) io.Writer{
		"bare":   func(s *Socket) io.Writer { return s.tls },
		"socket": func(s *Socket) io.Writer { return s },
	} {
		b.Run(name, func(b *testing.B) {
			server, client := secured(b, 0)
			go io.Copy(io.Discard, struct{ io.Reader }{client})
			server.SetReadDeadline(soon())
			w := wrap(server)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Write(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
