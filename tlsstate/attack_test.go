package tlsstate

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// THREATS ST-01, ST-02, ST-12: what the session has read beyond STARTTLS.
func TestBehind(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*Socket, *tls.Config, time.Time, []byte) error{
		"server": (*Socket).StartServer, "client": (*Socket).StartClient,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, peer := tcpPair(t)
			err := start(s, serverConfig(0), soon(), []byte("EHLO inj\r\n"))
			if !errors.Is(err, ErrClearBehind) {
				t.Fatalf("started with bytes behind: %v", err)
			}
			if _, err := s.Write([]byte("250 in clear\r\n")); !errors.Is(err, ErrClearBehind) {
				t.Errorf("the socket still writes: %v", err)
			}
			if _, err := s.WriteBuffers(&net.Buffers{[]byte("250 in clear\r\n")}); !errors.Is(err, ErrClearBehind) {
				t.Errorf("the socket still writes buffers: %v", err)
			}
			send(peer, "MAIL FROM:<a@b>\r\n")
			if err := expectEnd(s, s.fault); err != nil {
				t.Errorf("the socket still reads: %v", err)
			}
			if s.Pending() {
				t.Error("Pending on a socket that gives nothing")
			}
			if again := start(s, serverConfig(0), soon(), nil); again != err {
				t.Errorf("started again: %v", again)
			}
		})
	}
}

// THREATS ST-03, ST-10, ST-12: it comes in a segment of its own, after the
// caller has looked.
func TestClearInsteadOfHandshake(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*Socket, *tls.Config, time.Time, []byte) error{
		"server": (*Socket).StartServer, "client": (*Socket).StartClient,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, peer := tcpPair(t)
			if name == "client" {
				go io.Copy(io.Discard, peer)
			}
			send(peer, "250 EHLO inj\r\n")
			cfg := clientConfig(0)
			cfg.Certificates = serverConfig(0).Certificates
			if err := start(s, cfg, soon(), nil); !errors.Is(err, ErrClearBehind) {
				t.Fatalf("StartServer: %v", err)
			}
			if err := expectEnd(s, s.fault); err != nil {
				t.Errorf("clear text is read after it: %v", err)
			}
		})
	}
}

// What the socket itself has read ahead counts as well: here clear text that
// came with a close_notify, even such as looks like TLS.
func TestReadAheadIsBehind(t *testing.T) {
	t.Parallel()
	a, b := memory()
	server, client := New(a), New(b)
	both(
		func() error { return server.StartServer(serverConfig(0), time.Time{}, nil) },
		func() error { return client.StartClient(clientConfig(0), time.Time{}, nil) })
	handOver(client, b.out, "x", "STARTTLS\r\n\x16\x03\x01\x00\x01\x01")
	err := first(
		func() error { return expect(server, "x") },
		func() error { return expectEnd(server, ErrCloseNotify) },
		func() error { return server.Shutdown() },
		func() error { return expect(server, "STARTTLS\r\n") })
	if err != nil {
		t.Fatal(err)
	}
	if err := server.StartServer(serverConfig(0), time.Time{}, nil); !errors.Is(err, ErrClearBehind) {
		t.Errorf("StartServer: %v", err)
	}
}

// Clear text while TLS is on is an attack (THREATS BD-01), and the socket does
// not go on in clear afterwards.
func TestClearInTLS(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := secured(t, version)
			send(client, "BDAT 100\r\n")
			send(client.raw, "QUIT\r\n")
			err := first(
				func() error { return expect(server, "BDAT 100\r\n") },
				func() error { return expectEnd(server, ErrClear) })
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Shutdown(); !errors.Is(err, ErrClear) {
				t.Errorf("Shutdown after clear text in TLS: %v", err)
			}
			if n, err := server.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrClear) {
				t.Errorf("%d bytes were read in clear: %v", n, err)
			}
		})
	}
}

// THREATS CE-25: the stream of a client that writes, ends TLS and goes on in
// clear is cut at each of its bytes. Before the close_notify is whole, that is
// ErrCut and never an end in order; all data read is a prefix of what was sent.
func TestCutAtEveryByte(t *testing.T) {
	t.Parallel()
	const data, clear = "message\r\n.\r\n", "EHLO again\r\n"
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, ends := configs(version), map[error]int{}
			for at := 0; ; at++ {
				whole, end := cutAt(t, cfg, at, data, clear)
				ends[end]++
				if whole {
					break
				}
			}
			// The record with the data; that with close_notify; clear text.
			if ends[ErrCut] < len(data)+2*recordHeader || ends[io.EOF] != len(clear)+1 || len(ends) != 2 {
				t.Errorf("ends: %v", ends)
			}
		})
	}
}

// cutAt lets at bytes through after the handshake, and reads to the end.
func cutAt(t *testing.T, cfg *config, at int, data, clear string) (whole bool, end error) {
	a, b := memory()
	server, client := New(a), New(b)
	both(
		func() error { return server.StartServer(cfg.server, time.Time{}, nil) },
		func() error { return client.StartClient(cfg.client, time.Time{}, nil) })
	b.out.hold(true)
	send(client, data)
	client.Shutdown()
	send(client, clear)
	whole = at >= len(b.out.b)
	b.out.b = b.out.b[:min(at, len(b.out.b))]
	b.out.hold(false)
	b.out.close()
	secret, end := readAll(server)
	if end != ErrCloseNotify {
		if secret != data && secret != "" {
			t.Errorf("cut at %d: data %q", at, secret)
		}
		return whole, end
	}
	if err := server.Shutdown(); err != nil || secret != data {
		t.Errorf("cut at %d: data %q, Shutdown %v", at, secret, err)
	}
	text, end := readAll(server)
	if text != clear[:len(text)] || whole && text != clear {
		t.Errorf("cut at %d: clear text %q", at, text)
	}
	return whole, end
}

func readAll(s *Socket) (string, error) {
	var all []byte
	for p := make([]byte, 100); ; {
		n, err := s.Read(p)
		if all = append(all, p[:n]...); err != nil {
			return string(all), err
		}
	}
}

// A handshake that is cut leaves nothing to go on with.
func TestCutHandshake(t *testing.T) {
	t.Parallel()
	s, peer := tcpPair(t)
	peer.Write([]byte{22, 3, 1, 1, 0, 1})
	peer.CloseWrite()
	if err := s.StartServer(serverConfig(0), soon(), nil); !errors.Is(err, ErrCut) {
		t.Errorf("StartServer: %v", err)
	}
}

// Data in TLS behind our close_notify belongs to nobody.
func TestLateData(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := secured(t, version)
			if err := client.Shutdown(); err != nil {
				t.Fatal(err)
			}
			send(server, "421 too late\r\n")
			if err := expectEnd(client, ErrLate); err != nil {
				t.Error(err)
			}
			if err := expectEnd(client, ErrLate); err != nil {
				t.Errorf("again: %v", err)
			}
			if err := client.StartClient(clientConfig(version), soon(), nil); err == nil {
				t.Error("TLS started on the remains of the session before")
			}
		})
	}
}

// The server's side is cut while the end of its session is under way.
func TestCutWhileEnding(t *testing.T) {
	t.Parallel()
	server, client := secured(t, tls.VersionTLS12)
	client.Shutdown()
	server.raw.Write([]byte{23, 3, 3, 0, 50, 1, 2, 3})
	server.raw.(*net.TCPConn).CloseWrite()
	if err := expectEnd(client, ErrCut); err != nil {
		t.Error(err)
	}
}

func TestStartTwice(t *testing.T) {
	t.Parallel()
	server, client := secured(t, 0)
	if err := server.StartServer(serverConfig(0), soon(), nil); err == nil || !strings.Contains(err.Error(), "it is on") {
		t.Errorf("in TLS: %v", err)
	}
	client.Shutdown()
	if err := client.StartClient(clientConfig(0), soon(), nil); err == nil || !strings.Contains(err.Error(), "nothing was read") {
		t.Errorf("right after Shutdown: %v", err)
	}
}

// Data that Pending has seen and nobody has read is late as well.
func TestShutdownOverUnread(t *testing.T) {
	t.Parallel()
	server, client := secured(t, 0)
	send(server, "4")
	if !client.Pending() {
		t.Fatal("not Pending")
	}
	if err := client.Shutdown(); err != ErrLate {
		t.Errorf("Shutdown: %v", err)
	}
}

// Behind the close_notify everything is clear, also what looks like TLS.
func TestRubbishBehindCloseNotify(t *testing.T) {
	t.Parallel()
	server, client := secured(t, 0)
	client.Shutdown()
	err := first(
		func() error { return expectEnd(server, ErrCloseNotify) },
		server.Shutdown,
		func() error { return send(server, "\x16\x03\x01 rubbish") },
		func() error { return expect(client, "\x16\x03\x01 rubbish") })
	if err != nil {
		t.Error(err)
	}
}
