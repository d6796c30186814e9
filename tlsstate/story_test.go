package tlsstate

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
)

// The life of a connection that carries several messages: three TLS sessions,
// clear text before, between and after them. The client ends each one with
// data, close_notify and clear text in one segment; the server answers in the
// same way.

const sessions = 3

func clientStory(s *Socket, cfg *config, out *lane) error {
	for i := range sessions {
		if err := first(
			func() error { return send(s, "STARTTLS\r\n") },
			func() error { return expect(s, "220 go\r\n") },
			func() error { return s.StartClient(cfg.client, soon(), nil) },
			func() error { return send(s, "DATA\r\n") },
			func() error { return expect(s, "354 go on\r\n") },
			func() error { return handOver(s, out, fmt.Sprint("message ", i, "\r\n.\r\n"), "EHLO again\r\n") },
			func() error { return expect(s, "250 EHLO\r\n") },
		); err != nil {
			s.Close()
			return fmt.Errorf("client, session %d: %w", i, err)
		}
	}
	return send(s, "QUIT\r\n")
}

// handOver writes the last words in TLS, close_notify and the first in clear;
// with a lane to hold they are one segment.
func handOver(s *Socket, out *lane, last, then string) error {
	if out != nil {
		out.hold(true)
		defer out.hold(false)
	}
	return first(
		func() error { return send(s, last) },
		func() error { return s.Shutdown() },
		func() error { return send(s, then) })
}

func serverStory(s *Socket, cfg *config, answers bool) error {
	for i := range sessions {
		if err := first(
			func() error { return expect(s, "STARTTLS\r\n") },
			func() error { return send(s, "220 go\r\n") },
			func() error { return s.StartServer(cfg.server, soon(), nil) },
			func() error { return expect(s, "DATA\r\n") },
			func() error { return send(s, "354 go on\r\n") },
			func() error { return expect(s, fmt.Sprint("message ", i, "\r\n.\r\n")) },
			func() error { return expectEnd(s, ErrCloseNotify) },
			func() error { return s.end(answers) },
			func() error { return expect(s, "EHLO again\r\n") },
			func() error { return send(s, "250 EHLO\r\n") },
		); err != nil {
			s.Close()
			return fmt.Errorf("server, session %d: %w", i, err)
		}
	}
	return expect(s, "QUIT\r\n")
}

// end is Shutdown, or what a server does that sends no close_notify back.
func (s *Socket) end(answers bool) error {
	if !answers {
		s.wire.mute()
	}
	return s.Shutdown()
}

// config are the two sides' configurations, kept so that sessions resume.
type config struct{ server, client *tls.Config }

func configs(version uint16) *config {
	return &config{serverConfig(version), clientConfig(version)}
}

// TestEverySplit tells the story with the client's stream, and then the
// server's, cut into two reads at each of its bytes.
func TestEverySplit(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		for _, cut := range []string{"client's stream", "server's stream"} {
			t.Run(name+" "+cut, func(t *testing.T) {
				t.Parallel()
				cfg := configs(version)
				total := 0
				for at := 0; at <= total; at += splitStep {
					a, b := memory()
					half := a.in
					if cut[0] == 's' {
						half = b.in
					}
					half.split = at
					serr, cerr := both(
						func() error { return serverStory(New(a), cfg, true) },
						func() error { return clientStory(New(b), cfg, b.out) })
					if serr != nil || cerr != nil {
						t.Fatalf("split at %d: server %v, client %v", at, serr, cerr)
					}
					total = max(total, half.at)
				}
				if total < 300 {
					t.Errorf("the whole stream was %d bytes: no TLS in it", total)
				}
			})
		}
	}
}

// TestStoryOverTCP is the same over the kernel's sockets, with a server that
// answers close_notify and with one that does not.
func TestStoryOverTCP(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		for _, answers := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " answers ", answers), func(t *testing.T) {
				t.Parallel()
				server, peer := tcpPair(t)
				cfg := configs(version)
				serr, cerr := both(
					func() error { return serverStory(server, cfg, answers) },
					func() error { return clientStory(New(net.Conn(peer)), cfg, nil) })
				if serr != nil || cerr != nil {
					t.Fatalf("server %v, client %v", serr, cerr)
				}
			})
		}
	}
}
