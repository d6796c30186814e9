//go:build interop

package handover

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/internal/outbound"
	"mtad/tlsstate"
)

// finding is what a probe of a server saw.
type finding struct {
	after     string        // what came after our close_notify
	goesOn    bool          // after is a reply to EHLO, and STARTTLS worked once more
	resumes   bool          // a second session, on the same connection or a new one
	shutdown  time.Duration // a hand-over by shutdown, the median; 0: it does not go on
	reconnect time.Duration // the same on a new connection
	atBest    time.Duration // the quickest of the slower way
}

const (
	silence = time.Second // after so long without a byte a server counts as silent
	times   = 9           // that each way to hand over is timed
)

// probe talks to a server as mtad's parts do, without mtad.
func probe(t *testing.T, addr string, version uint16) (f finding) {
	t.Helper()
	store := certs.NewStore(certs.Options{Dir: t.TempDir()})
	target := outbound.Target{Name: "127.0.0.1", Addr: netip.MustParseAddrPort(addr), IP: "127.0.0.1"}
	config := func(outbound.Target) (*tls.Config, bool, error) {
		cfg, err := store.Client(certs.Client{Ciphers: cipherLists[version]}, certs.Host{Name: target.Name, Addr: target.Addr})
		return cfg, false, err
	}
	cfg, _, err := config(target)
	if err != nil {
		t.Fatal(err)
	}
	f.after, f.goesOn, f.resumes = closeNotify(t, addr, cfg)
	s := &outbound.Settings{Helo: "probe.test", ConnectTimeout: time.Minute, CommandTimeout: time.Minute, HandoffTimeout: silence,
		TLS: outbound.TLS{Require: "*", Client: config}}
	f.reconnect, f.atBest = dials(t, func() (time.Duration, *outbound.Conn) {
		began := time.Now()
		conn, fault := outbound.Dial(t.Context(), target, s)
		if fault != nil {
			t.Fatal(fault.Text)
		}
		took := time.Since(began)
		f.resumes = f.resumes || conn.Socket.State().Resumed
		return took, conn
	})
	if f.goesOn {
		var atBest time.Duration
		f.shutdown, atBest = takeOvers(t, target, s)
		f.atBest = max(f.atBest, atBest)
	}
	return f
}

// dials does f many times, ends the connections, and returns the median of what
// f measured and the quickest.
func dials(t *testing.T, f func() (time.Duration, *outbound.Conn)) (median, quickest time.Duration) {
	var all []time.Duration
	for range times {
		took, conn := f()
		conn.Quit(t.Context())
		all = append(all, took)
	}
	slices.Sort(all)
	return all[times/2], all[0]
}

func takeOvers(t *testing.T, target outbound.Target, s *outbound.Settings) (median, quickest time.Duration) {
	t.Helper()
	conn, fault := outbound.Dial(t.Context(), target, s)
	if fault != nil {
		t.Fatal(fault.Text)
	}
	defer conn.Quit(context.Background())
	var all []time.Duration
	c := &talk{conn.Socket, bufio.NewReader(conn.Socket)}
	for range times {
		if err := c.message(); err != nil { // Exim allows few commands without mail
			t.Fatal(err)
		}
		began := time.Now()
		if fault := outbound.TakeOver(t.Context(), conn, s); fault != nil {
			t.Fatal(fault.Text)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[times/2], all[0]
}

// talk is a session by hand.
type talk struct {
	sock *tlsstate.Socket
	in   *bufio.Reader
}

// closeNotify sends a message in TLS, shuts TLS down, and looks at what the
// server does with EHLO in clear.
func closeNotify(t *testing.T, addr string, cfg *tls.Config) (what string, goesOn, resumes bool) {
	t.Helper()
	tcp, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	sock := tlsstate.New(tcp)
	defer sock.Close()
	c := &talk{sock, bufio.NewReader(sock)}
	if err := errors.Join(c.expect("", "220"), c.startTLS(cfg), c.message()); err != nil {
		t.Fatalf("the first session: %v", err)
	}
	if err := sock.Shutdown(); err != nil {
		t.Fatal(err)
	}
	sock.SetReadDeadline(time.Now().Add(silence))
	fmt.Fprint(sock, "EHLO probe.test\r\n")
	line, err := c.in.ReadString('\n')
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "falls silent", false, false
	case errors.Is(err, syscall.ECONNRESET):
		return "closes the connection (RST)", false, false
	case err == io.EOF:
		return "closes the connection (FIN)", false, false
	case err != nil:
		return "drops it: " + err.Error(), false, false
	case !strings.HasPrefix(line, "250"):
		return fmt.Sprintf("answers %q", strings.TrimSpace(line)), false, false
	}
	err = errors.Join(c.rest(line), c.startTLS(cfg))
	if err != nil {
		return "goes on, but not with TLS: " + err.Error(), false, false
	}
	return "goes on", true, sock.State().Resumed
}

// startTLS says EHLO, STARTTLS and EHLO.
func (c *talk) startTLS(cfg *tls.Config) error {
	if err := errors.Join(c.expect("EHLO probe.test", "250"), c.expect("STARTTLS", "220")); err != nil {
		return err
	}
	if err := c.sock.StartClient(cfg, time.Now().Add(10*time.Second), nil); err != nil {
		return err
	}
	c.in.Reset(c.sock)
	return c.expect("EHLO probe.test", "250")
}

func (c *talk) message() error {
	return errors.Join(c.expect("MAIL FROM:<a@x.example>", "250"), c.expect("RCPT TO:<b@y.example>", "250"),
		c.expect("DATA", "354"), c.expect("Subject: probe\r\n\r\nprobe\r\n.", "250"))
}

// expect says a line, "" says nothing, and reads a reply of that code.
func (c *talk) expect(say, code string) error {
	c.sock.SetReadDeadline(time.Now().Add(10 * time.Second))
	if say != "" {
		fmt.Fprintf(c.sock, "%s\r\n", say)
	}
	line, err := c.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("after %q: %w", say, err)
	}
	if !strings.HasPrefix(line, code) {
		return fmt.Errorf("after %q: %s", say, line)
	}
	return c.rest(line)
}

// rest reads the other lines of a reply.
func (c *talk) rest(line string) (err error) {
	for err == nil && len(line) > 3 && line[3] == '-' {
		line, err = c.in.ReadString('\n')
	}
	return err
}
