package actors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mtad/internal/config"
	"mtad/internal/queue"
)

// listenLocal stands in for what binds addresses: a free port, whatever was asked for.
func listenLocal(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// changed is the relay's configuration with other text in it.
func (r *relay) changed(t *testing.T, from, to string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(r.Config().File)
	if err != nil {
		t.Fatal(err)
	}
	cfg := loadConfig(t, t.TempDir(), strings.ReplaceAll(string(text), from, to))
	cfg.Listen = []config.Listen{{Address: "test", TLS: "none"}}
	return cfg
}

// reload puts it in force.
func (r *relay) reload(t *testing.T, from, to string) {
	t.Helper()
	if err := r.Reconfigure(r.changed(t, from, to), listenLocal); err != nil {
		t.Fatal(err)
	}
}

// THREATS A14: reloads under load drop no session and fail no message.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	first, second := newHop(t), newHop(t)
	r := relayOn(t, t.TempDir(), first, nil, "max_connections = 3")
	const clients, each = 4, 60
	var work sync.WaitGroup
	for c := range clients {
		work.Go(func() { r.submit(names(fmt.Sprintf("c%d-", c), each)...) })
	}
	done := make(chan struct{})
	there, back := r.changed(t, first.addr, second.addr), r.changed(t, "@", "@")
	var reloads sync.WaitGroup
	for i := range 2 { // two at once
		reloads.Go(func() {
			for n := 0; ; n++ {
				cfg := *there
				if (n+i)%2 == 0 {
					cfg = *back
				}
				if err := r.Reconfigure(&cfg, listenLocal); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		})
	}
	work.Wait()
	close(done)
	reloads.Wait()
	r.idle()
	var want []string
	for c := range clients {
		want = append(want, names(fmt.Sprintf("c%d-", c), each)...)
	}
	got := append(first.got(), second.got()...)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the hops have got %d messages: %v\nwant %d, each once", len(got), got, len(want))
	}
	if len(first.got()) == 0 || len(second.got()) == 0 {
		t.Errorf("%d and %d messages: one of the configurations was never in force", len(first.got()), len(second.got()))
	}
}

// What is under way ends as it began; what waits goes by the new routes.
func TestReloadRoutesAnew(t *testing.T) {
	t.Parallel()
	first, second := newHop(t), newHop(t)
	held := make(chan struct{})
	first.onDot(func(subject string) string {
		if subject == "held" {
			<-held
			return "250 OK"
		}
		return "451 not now"
	})
	r := relayOn(t, t.TempDir(), first, nil)
	r.submit("held", "waits")
	r.until("one is deferred, one under way", func() bool {
		g := r.gauges()
		return g.Deferred == 1 && g.Active == 1
	})
	r.reload(t, first.addr, second.addr)
	r.submit("new")
	r.until("what is new goes to the second", func() bool { return slices.Equal(second.got(), []string{"new"}) })
	close(held)
	r.until("the first has what it had begun", func() bool { return slices.Equal(first.got(), []string{"held"}) })
	r.until("only one is left", func() bool { return r.left() == 1 }) // a hop has a message before the spool lets go of it
	r.Inspect(t.Context(), func(c *queue.Core) []queue.Action {
		return c.Retry(time.Now(), r.only().ID)
	})
	r.idle()
	if got := second.got(); !slices.Equal(got, []string{"new", "waits"}) {
		t.Errorf("the second hop has got %v", got)
	}
}

// A session keeps the configuration that it began with.
func TestReloadIsForNewSessions(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	old := dialTest(t, r.addr)
	defer old.conn.Close()
	old.want("220")
	old.say("EHLO client.test").want("250")
	r.reload(t, `host_accept_relay = "127.0.0.1"`, "")
	old.say("MAIL FROM:<a@x.test>").want("250")
	old.say("RCPT TO:<b@y.test>").want("250")
	next := dialTest(t, r.addr)
	defer next.conn.Close()
	next.want("220")
	next.say("EHLO client.test").want("250")
	next.say("MAIL FROM:<a@x.test>").want("250")
	next.say("RCPT TO:<b@y.test>").want("550")
	old.say("DATA").want("354")
	old.say("Subject: old\r\n\r\n.").want("250")
	r.idle()
	r.exactly("old")
}

func TestReloadListeners(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	old := dialTest(t, r.addr)
	defer old.conn.Close()
	old.want("220")

	var added net.Listener
	listen := func(address string) (net.Listener, error) {
		var err error
		added, err = listenLocal(address)
		return added, err
	}
	// One is added, and the one there is asks for TLS now.
	cfg := r.changed(t, "@", "@")
	cfg.Listen = []config.Listen{{Address: "test", TLS: "implicit"}, {Address: "127.0.0.1:1", TLS: "none"}}
	if err := r.Reconfigure(cfg, listen); err != nil {
		t.Fatal(err)
	}
	c := dialTest(t, added.Addr().String())
	defer c.conn.Close()
	c.want("220")
	c.say("QUIT").want("221")
	tls := dialTest(t, r.addr)
	defer tls.conn.Close()
	if line, err := tls.in.ReadString('\n'); err == nil { // there is no certificate
		t.Errorf("got %q in clear on a port of TLS", line)
	}

	// A port that cannot be bound: nothing changes, and what was bound for it is closed.
	cfg = r.changed(t, "@", "@")
	cfg.Listen = []config.Listen{{Address: "127.0.0.1:2"}, {Address: "127.0.0.1:3"}}
	var bound net.Listener
	err := r.Reconfigure(cfg, func(address string) (net.Listener, error) {
		if strings.HasSuffix(address, ":3") {
			return nil, errors.New("cannot listen")
		}
		bound, _ = listenLocal(address)
		return bound, nil
	})
	if err == nil || r.Config() == cfg {
		t.Fatalf("%v; the new configuration is in force: %v", err, r.Config() == cfg)
	}
	if _, err := bound.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket of a reload that failed is still open: %v", err)
	}
	c = dialTest(t, added.Addr().String())
	defer c.conn.Close()
	c.want("220")

	// The first one goes; its session stays.
	cfg = r.changed(t, "@", "@")
	cfg.Listen = []config.Listen{{Address: "127.0.0.1:1", TLS: "none"}}
	if err := r.Reconfigure(cfg, listen); err != nil {
		t.Fatal(err)
	}
	r.until("nobody listens there", func() bool {
		conn, err := net.Dial("tcp", r.addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	r.until("its actor has ended", func() bool { return r.supervises("listeners") == 1 })
	old.say("EHLO client.test").want("250")
	old.say("MAIL FROM:<a@x.test>").want("250")
	old.say("RCPT TO:<b@y.test>").want("250")
	old.say("DATA").want("354")
	old.say("Subject: stayed\r\n\r\n.").want("250")
	old.say("QUIT").want("221")
	r.idle()
	r.exactly("stayed")
}

// A queue that dies in between has a successor that knows the new configuration, and
// connections of the old one carry nothing for it.
func TestReloadAndADeadQueue(t *testing.T) {
	t.Parallel()
	first, second := newHop(t), newHop(t)
	held := make(chan struct{})
	first.onDot(func(string) string {
		<-held
		return "250 OK"
	})
	r := relayOn(t, t.TempDir(), first, nil, "max_connections = 1")
	r.submit("held")
	r.until("it is under way", func() bool { return first.count() == 1 })
	r.killQueue()
	r.until("the queue is back", func() bool { return r.gauges().Active == 1 })
	r.reload(t, first.addr, second.addr)
	r.submit("new")
	close(held)
	r.idle()
	if a, b := first.got(), second.got(); !slices.Equal(a, []string{"held"}) || !slices.Equal(b, []string{"new"}) {
		t.Errorf("the hops have got %v and %v", a, b)
	}
}

// A connection made under the old configuration carries nothing of the new one's, where
// the queue that knew is dead, too.
func TestReloadThenADeadQueue(t *testing.T) {
	t.Parallel()
	h := newHop(t)
	held := make(chan struct{})
	h.onDot(func(subject string) string {
		if subject == "held" {
			<-held
		}
		return "250 OK"
	})
	r := relayOn(t, t.TempDir(), h, nil, "max_connections = 1")
	r.submit("held")
	r.until("it is under way", func() bool { return h.count() == 1 })
	r.reload(t, "max_connections = 1", "max_connections = 1\ncommand_timeout = \"1m\"") // the lane's key stays
	r.killQueue()
	r.until("the queue is back", func() bool { return r.gauges().Active == 1 })
	r.submit("new", "newer")
	close(held)
	r.idle()
	r.exactly("held", "new", "newer")
	if n := h.count(); n != 2 {
		t.Errorf("%d connections, want one under each configuration", n)
	}
}

// A look-up that was asked under the old configuration is asked again.
func TestReloadWhileRouting(t *testing.T) {
	t.Parallel()
	first, second, here := newHop(t), newHop(t), make(chan struct{})
	_, port, _ := net.SplitHostPort(first.addr)
	dns := hosts(func(context.Context, string) ([]netip.Addr, error) {
		<-here
		return []netip.Addr{mustAddr("127.0.0.1")}, nil
	})
	r := relayTo(t, t.TempDir(), first, "hop.test:"+port, dns, nil)
	r.submit("asked", "behind")
	r.reload(t, "hop.test:"+port, second.addr)
	close(here)
	r.idle()
	if a, b := first.got(), second.got(); len(a) != 0 || len(b) != 2 {
		t.Errorf("the hops have got %v and %v", a, b)
	}
}

// Who has come to a listener that is given up is served.
func TestReloadServesWhoHasCome(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	sock, err := listenLocal("")
	if err != nil {
		t.Fatal(err)
	}
	c := dialTest(t, sock.Addr().String()) // nobody accepts yet
	defer c.conn.Close()
	in := r.newInlet(Bound{sock, config.Listen{Address: "left", TLS: "none"}}, r.Config())
	in.leave()
	(&listener{h: r.Daemon, in: in}).accept(r.supervisor)
	c.want("220")
	c.say("QUIT").want("221")
	if _, err := net.Dial("tcp", sock.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}
