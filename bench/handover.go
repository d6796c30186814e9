package main

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
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"mtad/internal/certs"
	"mtad/internal/load"
	"mtad/internal/outbound"
)

// What a hand-over by shutdown costs (close_notify, EHLO, STARTTLS, a resumed
// handshake, EHLO), beside the client's share of a bare resumed handshake of
// crypto/tls. The server is a process of its own, so the CPU time of this one is
// the client's.

const (
	handovers      = 2000 // of each kind, in all rounds
	handoverRounds = 5    // the two take turns; the median counts
)

func handoverCost(dir, _ string, n int) error {
	servers, stop, err := startHandshakes()
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("%s\n\n| TLS | groups | a bare resumed handshake | a hand-over by shutdown | more |\n| --- | --- | ---: | ---: | ---: |\n", machine())
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, groups := range []string{"X25519", ""} {
			store := certs.NewStore(certs.Options{Dir: dir})
			b := &handoverBench{store: store, version: version, groups: groups, servers: servers, n: max(1, n/handoverRounds)}
			bare, whole, err := b.run()
			if err != nil {
				return err
			}
			if groups == "" {
				groups = "the engine's"
			}
			fmt.Printf("| %s | %s | %.0f µs | %.0f µs | %.0f µs |\n", tls.VersionName(version), groups, micros(bare), micros(whole), micros(whole-bare))
		}
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// handoverBench compares the two for one version and one choice of groups.
type handoverBench struct {
	store   *certs.Store
	version uint16
	groups  string
	servers handshakeServers
	n       int // of each, a round
}

// run returns the CPU time of one of each.
func (b *handoverBench) run() (bare, whole time.Duration, err error) {
	var bares, wholes []time.Duration
	for range handoverRounds {
		one, err := b.handshakes()
		if err != nil {
			return 0, 0, fmt.Errorf("bare handshakes: %w", err)
		}
		two, err := b.takeOvers()
		if err != nil {
			return 0, 0, fmt.Errorf("hand-overs: %w", err)
		}
		bares, wholes = append(bares, one), append(wholes, two)
	}
	slices.Sort(bares)
	slices.Sort(wholes)
	return bares[handoverRounds/2], wholes[handoverRounds/2], nil
}

func (b *handoverBench) config(addr netip.AddrPort) (*tls.Config, error) {
	cfg, err := b.store.Client(certs.Client{Groups: b.groups}, certs.Host{Name: "sink.test", Addr: addr})
	if err == nil {
		cfg.MaxVersion = b.version
	}
	return cfg, err
}

// handshakes does them on connections that stand already, each up to the byte
// that the server says behind its ticket.
func (b *handoverBench) handshakes() (time.Duration, error) {
	cfg, err := b.config(b.servers.bare)
	if err != nil {
		return 0, err
	}
	conns := make([]net.Conn, b.n+1)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", b.servers.bare.String()); err != nil {
			return 0, err
		}
		defer conns[i].Close()
	}
	if _, err := handshake(conns[0], cfg); err != nil { // the session that the others resume
		return 0, err
	}
	before := ownCPU()
	for _, conn := range conns[1:] {
		resumed, err := handshake(conn, cfg)
		if err != nil || !resumed {
			return 0, errors.Join(err, fmt.Errorf("resumed: %t", resumed))
		}
	}
	return (ownCPU() - before) / time.Duration(b.n), nil
}

func handshake(conn net.Conn, cfg *tls.Config) (resumed bool, err error) {
	c := tls.Client(conn, cfg)
	if err := c.Handshake(); err != nil {
		return false, err
	}
	_, err = c.Read(make([]byte, 1))
	return c.ConnectionState().DidResume, err
}

// takeOvers shuts TLS down and begins anew, again and again on one connection.
func (b *handoverBench) takeOvers() (time.Duration, error) {
	ctx := context.Background()
	s := &outbound.Settings{Helo: "relay.test", ConnectTimeout: time.Minute, CommandTimeout: time.Minute, HandoffTimeout: time.Minute}
	s.TLS.Client = func(t outbound.Target) (*tls.Config, bool, error) {
		cfg, err := b.config(t.Addr)
		return cfg, false, err
	}
	conn, fault := outbound.Dial(ctx, outbound.Target{Name: "sink.test", Addr: b.servers.sink, IP: b.servers.sink.Addr().String()}, s)
	if fault != nil {
		return 0, errors.New(fault.Text)
	}
	defer conn.Abort()
	before := ownCPU()
	for range b.n {
		if fault := outbound.TakeOver(ctx, conn, s); fault != nil {
			return 0, errors.New(fault.Text)
		}
		if !conn.Socket.State().Resumed {
			return 0, errors.New("a session was not resumed")
		}
	}
	return (ownCPU() - before) / time.Duration(b.n), nil
}

// ownCPU is what this process has used, user and system.
func ownCPU() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u) // fails for no argument that is this
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// handshakeServers are the other side: an SMTP sink with STARTTLS, and a server
// that does a handshake and says one byte.
type handshakeServers struct{ sink, bare netip.AddrPort }

// startHandshakes starts this program again as the other side.
func startHandshakes() (s handshakeServers, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return s, nil, err
	}
	cmd := exec.Command(self, "-serve-handshakes")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return s, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return s, nil, err
	}
	if err := cmd.Start(); err != nil {
		return s, nil, err
	}
	stop = func() { in.Close(); cmd.Wait() }
	r := bufio.NewReader(out)
	for _, addr := range []*netip.AddrPort{&s.sink, &s.bare} {
		var text string
		if _, err = fmt.Fscanln(r, &text); err == nil {
			*addr, err = netip.ParseAddrPort(text)
		}
		if err != nil {
			stop()
			return s, nil, fmt.Errorf("the other side of the handshakes did not start: %w", err)
		}
	}
	return s, stop, nil
}

// serveHandshakes prints its addresses and serves until in ends.
func serveHandshakes(in io.Reader, out io.Writer) error {
	cfg, err := sinkTLS()
	if err != nil {
		return err
	}
	sink := &load.Sink{TLS: cfg}
	for _, serve := range []func(net.Listener) error{sink.Serve, func(l net.Listener) error { return serveBare(l, cfg) }} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Fprintln(out, l.Addr())
		go serve(l)
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func serveBare(l net.Listener, cfg *tls.Config) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if c := tls.Server(conn, cfg); c.Handshake() == nil {
				c.Write([]byte("."))
				io.Copy(io.Discard, c)
			}
		}()
	}
}
