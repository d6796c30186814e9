package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mtad/internal/load"
	"mtad/test/interop/peer"
)

// scenario is one line of load.
type scenario struct {
	name     string
	messages int // Postfix gets a quarter of them: it takes its time
	sessions int
	size     int
	rcpts    int
	domains  int           // on addresses of their own
	rate     float64       // messages a second; 0: as fast as it goes
	delay    time.Duration // of each reply of the next hop
	accept   bool          // the next hop never greets: nothing is delivered
	tools    bool          // smtp-source and smtp-sink instead of ours
	kept     bool          // smtp-source keeps its sessions (-d), instead of one for each message
	key      string        // "rsa", "ecdsa": each message on a connection of its own, with STARTTLS and a full handshake
	beside   bool          // through Postfix as well
	tls      *tlsRun       // STARTTLS
}

const (
	kb10 = 10 << 10
	mb1  = 1 << 20
)

var scenarios = []scenario{
	{name: "accept/1/10K", messages: 3000, sessions: 1, size: kb10, accept: true},
	{name: "accept/20/10K", messages: 20000, sessions: 20, size: kb10, accept: true},
	{name: "accept/200/10K", messages: 40000, sessions: 200, size: kb10, accept: true},
	{name: "accept/1/1M", messages: 200, sessions: 1, size: mb1, accept: true},
	{name: "accept/20/1M", messages: 1000, sessions: 20, size: mb1, accept: true},
	{name: "accept/200/1M", messages: 1000, sessions: 200, size: mb1, accept: true},
	{name: "relay/1/10K", messages: 3000, sessions: 1, size: kb10},
	{name: "relay/20/10K", messages: 20000, sessions: 20, size: kb10, beside: true},
	{name: "relay/200/10K", messages: 20000, sessions: 200, size: kb10},
	{name: "relay/1/1M", messages: 200, sessions: 1, size: mb1},
	{name: "relay/20/1M", messages: 2000, sessions: 20, size: mb1, beside: true},
	{name: "relay/200/1M", messages: 1000, sessions: 200, size: mb1},
	{name: "relay/50-rcpts", messages: 4000, sessions: 20, size: kb10, rcpts: 50, beside: true},
	{name: "postfix-tools/20/10K", messages: 20000, sessions: 20, size: kb10, tools: true, beside: true},
	{name: "postfix-tools/20/10K/kept", messages: 20000, sessions: 20, size: kb10, tools: true, kept: true, beside: true},
	{name: "postfix-tools/20/1M", messages: 1000, sessions: 20, size: mb1, tools: true, beside: true},
	{name: "postfix-tools/50-rcpts", messages: 4000, sessions: 20, size: kb10, rcpts: 50, tools: true, beside: true},
	{name: "domains/1000", messages: 12000, sessions: 20, size: kb10, domains: 1000, beside: true},
	{name: "latency/50-a-second", messages: 1000, sessions: 20, size: kb10, rate: 50, beside: true},
	{name: "starttls/rsa", messages: 4000, sessions: 20, size: kb10, key: "rsa", beside: true},
	{name: "starttls/ecdsa", messages: 4000, sessions: 20, size: kb10, key: "ecdsa", beside: true},
	{name: "slow-hop/100ms", messages: 1600, sessions: 20, size: kb10, delay: 100 * time.Millisecond, beside: true},
	{name: "tls/20/10K", messages: 12000, sessions: 20, size: kb10, tls: &tlsRun{in: true, relays: tlsRelays}},
	{name: "tls-out/20/10K", messages: 12000, sessions: 20, size: kb10, tls: &tlsRun{relays: tlsOutRelays}},
}

// hopConnections is how many connections one next hop gets, from either relay.
const hopConnections = 20

// limit is the highest rate that a slow next hop permits: four replies a
// message (MAIL, RCPT, DATA, dot), one after the other on each connection.
func (s *scenario) limit() float64 {
	if s.delay == 0 {
		return 0
	}
	return hopConnections / (4 * s.delay.Seconds())
}

// patience bounds the wait for deliveries.
const patience = 3 * time.Minute

// measure runs a scenario through a relay with a fresh spool.
func (s scenario) measure(dir, bin, which string) (result, error) {
	if isPostfix(which) {
		s.messages = max(s.sessions, s.messages/4)
		if s.rate > 0 {
			s.messages *= 4 // it is the rate that counts
		}
	}
	dir, err := os.MkdirTemp(dir, "run-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return result{}, err
	}
	hop, err := s.nextHop(dir)
	if err != nil {
		return result{}, err
	}
	defer hop.close()
	relay, err := s.startRelay(dir, bin, which, hop)
	if err != nil {
		return result{}, err
	}
	defer relay.stop()
	return s.drive(which, relay, hop)
}

func (s scenario) drive(which string, relay relay, hop *hop) (result, error) {
	r := result{scenario: s, relay: which}
	before, err := relay.usage()
	if err != nil {
		return r, err
	}
	start := time.Now()
	if err := s.submit(relay.addr, &r); err != nil {
		return r, err
	}
	if !s.accept {
		if err := hop.await(s.messages, max(1, s.rcpts), patience); err != nil {
			return r, err
		}
	}
	r.elapsed = time.Since(start)
	time.Sleep(300 * time.Millisecond) // what is done behind the last reply counts, too
	after, err := relay.usage()
	r.used = after.Sub(before)
	if hop.sink != nil {
		r.hop = hop.sink.Totals().Latency
	}
	return r, err
}

// submit sends all messages.
func (s scenario) submit(addr string, r *result) error {
	if s.tools {
		args := []string{"-s", strconv.Itoa(s.sessions), "-m", strconv.Itoa(s.messages), "-l", strconv.Itoa(s.size),
			"-r", strconv.Itoa(max(1, s.rcpts)), "-f", "from@load.test", "-t", "to@load.test"}
		if s.kept {
			args = append(args, "-d")
		}
		return peer.SMTPSource(addr, args...)
	}
	sender := load.Sender{To: addr, Sessions: s.sessions, Messages: s.messages, Size: s.size, Rcpts: s.rcpts, Domains: s.domains,
		Rate: s.rate, From: "from@load.test", Rcpt: "to%d@load.test", Helo: "load.test", Pipelining: true, TLS: s.tls.client()}
	if s.key != "" {
		sender.PerConnection = 1
		sender.TLS = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} // no cache: nothing is resumed
	}
	sum := sender.Run(context.Background())
	r.dot = sum.Dot
	if sum.Failed > 0 {
		return fmt.Errorf("%d messages were not taken: %v", sum.Failed, sum.Errors)
	}
	return nil
}

// hop is the next hop: our sink, smtp-sink, or a wall.
type hop struct {
	addr   string
	routes map[string]string
	wall   net.Listener
	sink   *load.Sink
	tool   *peer.Child
}

func (s scenario) nextHop(dir string) (*hop, error) {
	if s.tools {
		addr, err := peer.FreeAddr()
		if err != nil {
			return nil, err
		}
		tool, err := peer.SMTPSink(dir, addr, "-c", "-m", "1000")
		return &hop{addr: addr, tool: tool}, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hop{addr: l.Addr().String(), wall: l}
	if s.accept {
		return h, nil // the kernel takes connections that nobody greets
	}
	h.sink = &load.Sink{Delay: s.delay, Verify: true}
	if s.tls != nil {
		if h.sink.TLS, err = sinkTLS(); err != nil {
			return nil, err
		}
	}
	go h.sink.Serve(l)
	return h, h.spread(s.domains)
}

// spread gives each domain an address of its own in 127.1.0.0/16.
func (h *hop) spread(domains int) error {
	_, port, err := net.SplitHostPort(h.addr)
	if err != nil {
		return err
	}
	h.routes = map[string]string{}
	for i := range domains {
		addr := fmt.Sprintf("127.1.%d.%d:%s", i/250, 1+i%250, port)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		h.routes[fmt.Sprintf("d%d.test", i)] = addr
		go h.sink.Serve(l)
	}
	return nil
}

// await waits until all is delivered.
func (h *hop) await(messages, rcpts int, patience time.Duration) error {
	want := fmt.Sprintf("mesg=%d", messages)
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		switch {
		case h.tool != nil && strings.Contains(h.tool.Output(), want):
			return nil
		case h.sink != nil && h.sink.Totals().Recipients >= int64(messages*rcpts):
			return h.check()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the next hop has not got %d messages after %s", messages, patience)
		}
	}
}

func (h *hop) check() error {
	if t := h.sink.Totals(); t.Corrupt+t.Unverified+t.Duplicates > 0 {
		return fmt.Errorf("the next hop got %d corrupt, %d duplicates, %d without checksum", t.Corrupt, t.Duplicates, t.Unverified)
	}
	return nil
}

func (h *hop) close() {
	if h.sink != nil {
		h.sink.Close()
	}
	if h.wall != nil {
		h.wall.Close()
	}
	if h.tool != nil {
		h.tool.Kill()
	}
}

// relay is what is measured.
type relay struct {
	addr  string
	usage func() (peer.Usage, error)
	stop  func()
}

func (s scenario) startRelay(dir, bin, which string, h *hop) (relay, error) {
	file := ""
	if s.key != "" {
		var err error
		if file, err = keyFile(dir, s.key); err != nil {
			return relay{}, err
		}
	}
	if isPostfix(which) {
		config, err := s.tls.postfix(dir, which)
		if err != nil {
			return relay{}, err
		}
		config.NextHop, config.Routes = h.addr, h.routes
		if s.key != "" {
			config.Main = postfixTLS(file)
		}
		p, err := peer.StartPostfix(filepath.Join(dir, "postfix"), config)
		if err != nil {
			return relay{}, err
		}
		return relay{p.Addr, p.Usage, func() { p.Stop(10 * time.Second) }}, nil
	}
	config := s.tls.mtad(which)
	if s.key != "" {
		config.Options = serverTLS(file, "")
	}
	config.NextHop, config.Routes, config.Connections = h.addr, h.routes, hopConnections
	m, err := peer.StartMtad(bin, dir, &config)
	if err != nil {
		return relay{}, err
	}
	return relay{m.Addr, func() (peer.Usage, error) { return peer.ProcessUsage(m.PID()) }, m.Kill}, nil
}
