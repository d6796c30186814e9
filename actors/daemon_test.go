package actors

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mtad/internal/config"
	"mtad/internal/mainlog"
	"mtad/internal/queue"
	"mtad/internal/resolver"
	"mtad/internal/route"
	"mtad/spool"
)

// patience bounds every wait of these tests; nothing waits that long where all is well.
const patience = 20 * time.Second

// relay is a whole daemon in a test, with a next hop that the test scripts.
type relay struct {
	*Daemon
	t     *testing.T
	hop   *hop
	addr  string
	spool *spool.Spool
	logs  string
	fatal chan any
	dead  bool // the supervisor is
}

// newRelay starts a daemon on a spool in a folder of its own. at is called at
// the points that the code names; edit changes the configuration (TOML): options of
// the transport, or behind "main: " main ones, which make it a server of TLS.
func newRelay(t *testing.T, at func(string), edit ...string) *relay {
	t.Helper()
	return relayOn(t, t.TempDir(), newHop(t), at, edit...)
}

// hosts is a DNS of host names.
type hosts func(ctx context.Context, host string) ([]netip.Addr, error)

func (h hosts) LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	return h(ctx, host)
}

func (hosts) LookupMX(_ context.Context, domain string) ([]resolver.MX, error) {
	return nil, &resolver.Error{Kind: resolver.NoData, Type: "MX", Name: domain}
}

func relayOn(t *testing.T, dir string, h *hop, at func(string), edit ...string) *relay {
	t.Helper()
	return relayTo(t, dir, h, h.addr, nil, at, edit...)
}

// relayTo starts a daemon whose next hop is known by a name.
func relayTo(t *testing.T, dir string, h *hop, name string, dns route.DNS, at func(string), edit ...string) *relay {
	t.Helper()
	var main, transport []string
	listenTLS := "none"
	for _, e := range edit {
		if option, ok := strings.CutPrefix(e, "main: "); ok {
			main, listenTLS = append(main, option), "starttls"
		} else {
			transport = append(transport, e)
		}
	}
	toml := fmt.Sprintf(`
primary_hostname = "relay.test"
host_accept_relay = "127.0.0.1"
%s
[[router]]
name = "hop"
driver = "domainlist"
domains = "*"
hosts = [%q]
transport = "smtp"
[transport.smtp]
%s
`, strings.Join(main, "\n"), name, strings.Join(transport, "\n"))
	cfg := loadConfig(t, dir, toml)
	log, err := mainlog.Open(mainlog.Options{Path: filepath.Join(dir, "%slog"), Format: "exim"})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, hop: h, addr: l.Addr().String(), spool: sp, logs: dir, fatal: make(chan any, 1)}
	r.Daemon = start(Options{
		Config: cfg, Spool: sp, Log: log, Version: "test", DNS: dns,
		Listeners: []Bound{{Listener: l, Listen: config.Listen{Address: "test", TLS: listenTLS}}},
		Fatal:     func(reason any) { r.fatal <- reason },
	}, at)
	t.Cleanup(func() {
		limit := patience
		if r.dead {
			limit = 0 // nobody is left to drain
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		r.Drain(ctx)
		sp.Close()
		log.Close()
	})
	r.until("the queue runs", func() bool {
		select {
		case <-r.Running():
			return true
		default:
			return false
		}
	})
	return r
}

// until waits for a condition that other goroutines bring about.
func (r *relay) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("timed out waiting until %s; the hop has %v", what, r.hop.got())
		}
	}
}

// submit sends messages with these subjects over one connection; each must be acknowledged.
func (r *relay) submit(subjects ...string) {
	r.t.Helper()
	c := dialTest(r.t, r.addr)
	defer c.conn.Close()
	c.want("220")
	c.say("EHLO client.test").want("250")
	for _, s := range subjects {
		c.say("MAIL FROM:<a@x.test>").want("250")
		c.say("RCPT TO:<b@y.test>").want("250")
		c.say("DATA").want("354")
		c.say("Subject: " + s + "\r\n\r\nbody\r\n.").want("250")
	}
	c.say("QUIT").want("221")
}

// gauges asks the schedule.
func (r *relay) gauges() (g queue.Gauges) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r.Inspect(ctx, func(c *queue.Core) []queue.Action {
		g = c.Gauges()
		return nil
	})
	return g
}

// idle waits until the queue is empty.
func (r *relay) idle() {
	r.t.Helper()
	r.until("the queue is empty", func() bool { return r.left() == 0 })
}

// left counts the messages in the spool.
func (r *relay) left() (n int) {
	r.spool.Range(func(*spool.Envelope) bool { n++; return true })
	return n
}

// exactly asserts that the hop has got each of these once and nothing else.
func (r *relay) exactly(subjects ...string) {
	r.t.Helper()
	got := r.hop.got()
	slices.Sort(got)
	want := slices.Clone(subjects)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("the hop has got %v\nwant each once: %v", got, want)
	}
}

// talker is the client's side of a dialogue.
type talker struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialTest(t *testing.T, addr string) *talker {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	return &talker{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (c *talker) say(line string) *talker {
	fmt.Fprint(c.conn, line+"\r\n")
	return c
}

// want reads one reply and asserts its code.
func (c *talker) want(code string) string {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", code, err)
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, code) {
			c.t.Fatalf("got %q, want %s", line, code)
		}
		return line
	}
}

// hop is the next hop: a small SMTP server that keeps the subjects it has
// acknowledged. Tests hold its answers back or break its connections.
type hop struct {
	addr string
	l    net.Listener

	mu          sync.Mutex
	subjects    []string
	connections int
	// beforeDot is called with the subject before the reply to the final dot;
	// what it returns is the reply, "" closes the connection.
	beforeDot func(subject string) string
}

func newHop(t *testing.T) *hop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hop{addr: l.Addr().String(), l: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.connections++
			h.mu.Unlock()
			go h.serve(conn)
		}
	}()
	return h
}

func (h *hop) onDot(f func(subject string) string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beforeDot = f
}

func (h *hop) got() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.subjects)
}

func (h *hop) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.connections
}

func (h *hop) serve(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	in := bufio.NewReader(conn)
	reply := func(s string) { fmt.Fprint(conn, s+"\r\n") }
	reply("220 hop.test")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "EHLO":
			reply("250-hop.test\r\n250 PIPELINING")
		case "DATA":
			reply("354 go on")
			subject := readMessage(in)
			answer := "250 OK"
			h.mu.Lock()
			f := h.beforeDot
			h.mu.Unlock()
			if f != nil {
				answer = f(subject)
			}
			if answer == "" {
				return
			}
			if answer[0] == '2' {
				h.mu.Lock()
				h.subjects = append(h.subjects, subject)
				h.mu.Unlock()
			}
			reply(answer)
		case "QUIT":
			reply("221 bye")
			return
		default:
			reply("250 OK")
		}
	}
}

// readMessage reads to the final dot and returns the subject.
func readMessage(in *bufio.Reader) (subject string) {
	for {
		line, err := in.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if err != nil || line == "." {
			return subject
		}
		if s, ok := strings.CutPrefix(line, "Subject: "); ok && subject == "" {
			subject = s
		}
	}
}
