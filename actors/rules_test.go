package actors

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/config"
	"mtad/internal/outbound"
	"mtad/internal/queue"
)

// The rules against loss and doubling, each with a test that fails without it.

func loadConfig(t *testing.T, dir, toml string) *config.Config {
	t.Helper()
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return all
}

func TestEachMessageOnceByAFreshActor(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil, "max_connections = 1")
	subjects := names("m", 50)
	r.submit(subjects...)
	r.idle()
	got := r.hop.got()
	for i, s := range subjects { // one connection: in order of arrival
		if i >= len(got) || got[i] != s {
			t.Fatalf("the hop has got %v, want %v in this order", got, subjects)
		}
	}
	r.exactly(subjects...)
	if n := r.hop.count(); n != 1 {
		t.Errorf("%d connections, want the one to be handed on", n)
	}
	r.logged(49, `=> \S+ .*H=\S+ \[127\.0\.0\.1\]\* `) // SPEC 8: all but the first
}

// A socket actor never stops itself: its Terminated would overtake the handoff
// it sent, and be taken for its death. Then the connection is cut and another made.
func TestHandoffIsNoDeath(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil, "max_connections = 1", "batch_max = 100000")
	subjects := names("m", 400)
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() { r.submit(subjects[i*100 : i*100+100]...) })
	}
	clients.Wait()
	r.idle()
	r.exactly(subjects...)
	if n := r.hop.count(); n != 1 {
		t.Errorf("%d connections for 400 hand-overs, want 1", n)
	}
}

// The job that a queue gave a delivery which then died goes again.
func TestJobOfADeadActorGoesAgain(t *testing.T) {
	t.Parallel()
	var once atomic.Bool
	r := newRelay(t, func(point string) {
		if point == "delivery: next" && once.CompareAndSwap(false, true) {
			panic("test: the actor dies with its next job in hand")
		}
	}, "max_connections = 1")
	subjects := names("m", 20)
	r.submit(subjects...)
	r.idle()
	r.exactly(subjects...)
	if !once.Load() {
		t.Error("no hand-over was broken")
	}
}

// An actor dies while its goroutine has a 250 in hand that is not recorded yet:
// the goroutine records it, and only then the queue hears of the death.
func TestPanicWithA250OnItsWay(t *testing.T) {
	t.Parallel()
	answered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r := newRelay(t, func(point string) {
		if point == "attempt: answered" {
			once.Do(func() {
				close(answered)
				<-release
			})
		}
	}, "max_connections = 1")
	r.submit("m")
	<-answered
	r.killDeliveries()
	r.until("the supervisor has seen the death", func() bool { return r.supervises("burying") == 1 })
	close(release)
	r.idle()
	r.submit("n")
	r.idle()
	r.exactly("m", "n")
}

// A goroutine that panics with a 250 in hand costs a second attempt, no message (DU-24).
func TestGoroutinePanicLosesNothing(t *testing.T) {
	t.Parallel()
	var panics atomic.Int32
	r := newRelay(t, func(point string) {
		if point == "attempt: answered" && panics.Add(1) == 1 {
			panic("test: the goroutine dies")
		}
	}, "max_connections = 1")
	r.submit("m")
	r.idle()
	r.exactly("m", "m") // the attempt was open
	if !strings.Contains(r.paniclog(), "test: the goroutine dies") || !strings.Contains(r.paniclog(), "goroutine ") {
		t.Errorf("the panic log has no stack:\n%s", r.paniclog())
	}
}

// A queue that restarts while deliveries work is told of them before it
// schedules: nothing goes twice.
func TestQueueRestartWithDeliveriesInFlight(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	release := make(chan struct{})
	var held atomic.Int32
	r.hop.onDot(func(string) string {
		held.Add(1)
		<-release
		return "250 OK"
	})
	subjects := names("m", 3) // fewer than a host's first window
	r.submit(subjects...)
	r.until("all are at their dot", func() bool { return held.Load() == 3 })
	r.killQueue()
	r.submit("late")
	r.until("the new queue has the late one under way", func() bool { return held.Load() == 4 })
	close(release)
	r.idle()
	r.exactly(append(subjects, "late")...)
	r.until("every credit is back", func() bool {
		g := r.gauges()
		return g.Active == 0 && g.Ready == 0
	})
}

// What a dead queue still has in the mail is not begun: its successor may have
// given it out already.
func TestJobsOfADeadQueueAreNotBegun(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	old := queue.Job{Delivery: 1 << 60, Epoch: 1}
	r.killQueue()
	r.root.Send(r.supervisor, &startDelivery{job: old})
	r.root.Send(r.supervisor, &handoff{from: r.queue.Load(), job: old, conn: &outbound.Conn{}})
	if n := r.supervises("deliveries"); n != 0 {
		t.Errorf("%d jobs of the last epoch were begun", n)
	}

	// While there is no queue (after its third death in a minute it rests),
	// nothing of the one that died is begun either.
	r.killQueue()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Inspect(ctx, func(*queue.Core) []queue.Action { panic("test: the third death") })
	var last queue.Epoch
	r.until("there is no queue", func() bool {
		gone := false
		r.supervisorDo(func(s *supervisor, ctx actor.Context) { gone, last = s.queue == nil, s.epoch })
		return gone
	})
	r.root.Send(r.supervisor, &startDelivery{job: queue.Job{Delivery: 1 << 60, Epoch: last}})
	if n := r.supervises("deliveries"); n != 0 {
		t.Errorf("%d jobs of a dead queue were begun", n)
	}
}

// Where a name is looked up, the messages behind it keep their order: they wait
// for that look-up, though one of their own would be quicker.
func TestRoutingKeepsOrder(t *testing.T) {
	t.Parallel()
	h, here := newHop(t), make(chan struct{})
	_, port, _ := net.SplitHostPort(h.addr)
	var asked atomic.Int32
	dns := hosts(func(context.Context, string) ([]netip.Addr, error) {
		if asked.Add(1) == 1 {
			<-here
		}
		return []netip.Addr{mustAddr("127.0.0.1")}, nil
	})
	r := relayTo(t, t.TempDir(), h, "hop.test:"+port, dns, nil, "max_connections = 1")
	subjects := names("m", 30)
	r.submit(subjects...)
	close(here)
	r.idle()
	if got := r.hop.got(); !slices.Equal(got, subjects) {
		t.Errorf("the hop has got %v", got)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d look-ups", n)
	}
}

// Many messages for a domain whose DNS does not answer wait for one look-up; mail for
// others is routed meanwhile, and they follow in order when there is an answer.
func TestSlowDomainDelaysNobody(t *testing.T) {
	t.Parallel()
	h, here := newHop(t), make(chan struct{})
	_, port, _ := net.SplitHostPort(h.addr)
	var asked atomic.Int32
	dns := hosts(func(_ context.Context, name string) ([]netip.Addr, error) {
		if name == "slow.test" {
			asked.Add(1)
			<-here
		}
		return []netip.Addr{mustAddr("127.0.0.1")}, nil
	})
	router := fmt.Sprintf("main: [[router]]\nname = \"slow\"\ndriver = \"domainlist\"\ndomains = \"y.test\"\nhosts = \"slow.test:%s\"", port)
	r := relayTo(t, t.TempDir(), h, "quick.test:"+port, dns, nil, router, "max_connections = 1")
	subjects := names("m", 600) // more than look-ups at a time, more than are served in one turn
	r.submit(subjects...)
	r.submitTo("quick", "", "<b@other.test>")
	r.until("the quick one is there", func() bool { return r.hop.count() == 1 })
	close(here)
	r.idle()
	if got := r.hop.got(); !slices.Equal(got, append([]string{"quick"}, subjects...)) {
		t.Errorf("the hop has got %v", got)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d look-ups", n)
	}
}

// A message at which the queue dies twice running is frozen, and the others go on.
func TestQueueFreezesWhatKillsIt(t *testing.T) {
	t.Parallel()
	d := deaths{}
	id := queueID("1vNDqi-0000Gx-2A")
	now := time.Unix(1e9, 0)
	if s, p := d.note(id, now); !s.IsZero() || p != 0 {
		t.Errorf("first death: suspect %v, pause %v", s, p)
	}
	if s, _ := d.note(id, now.Add(time.Second)); s != id {
		t.Errorf("second death at the same message: suspect %v", s)
	}
	if s, _ := d.note(queueID(""), now.Add(2*time.Second)); !s.IsZero() {
		t.Errorf("a death at no message has a suspect: %v", s)
	}
	if _, p := d.note(queueID(""), now.Add(3*time.Second)); p != 200*time.Millisecond {
		t.Errorf("fourth death within a minute: pause %v", p)
	}
	if _, p := d.note(queueID(""), now.Add(time.Hour)); p != 0 {
		t.Errorf("a death after an hour of peace: pause %v", p)
	}
}

// A panic in a session costs that session, and no message that was acknowledged.
func TestSupervisorPanicEndsTheProcess(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	r.root.Send(r.supervisor, &handoff{}) // no actor sends one without its address: the supervisor trips over it
	select {
	case <-r.fatal:
		r.dead = true
	case <-time.After(patience):
		t.Error("the supervisor panicked and nobody was told")
	}
}

// Drain: what is in hand is finished, nothing new begun, what waits stays (THREATS A13).
func TestDrain(t *testing.T) {
	t.Parallel()
	dir, h := t.TempDir(), newHop(t)
	release := make(chan struct{})
	var held atomic.Int32
	h.onDot(func(string) string {
		held.Add(1)
		<-release
		return "250 OK"
	})
	r := relayOn(t, dir, h, nil, "max_connections = 1")
	idle := dialTest(t, r.addr)
	idle.want("220")
	r.submit("m0", "m1")
	r.until("the first is at its dot", func() bool { return held.Load() == 1 })
	ended := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ended <- r.Drain(ctx)
	}()
	idle.want("421")
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("Drain: %v", err)
	}
	r.exactly("m0")
	r.spool.Close()

	h.onDot(nil)
	again := relayOn(t, dir, h, nil)
	again.idle()
	again.exactly("m0", "m1")
}

// Drain past its time cuts sessions off and loses nothing.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	release := make(chan struct{})
	defer close(release)
	r.hop.onDot(func(string) string { <-release; return "" })
	r.submit("m")
	r.until("it is under way", func() bool { return r.gauges().Active == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Drain(ctx); err == nil {
		t.Error("Drain says that all ended in order")
	}
	if env := r.only(); len(env.Recipients) != 1 || env.Recipients[0].Attempts != 0 {
		t.Errorf("a session that we cut off counts as an attempt: %+v", env.Recipients)
	}
}

func TestAcceptLimits(t *testing.T) {
	t.Parallel()
	var d door
	cfg := &config.Config{SMTPAcceptMax: 3, SMTPAcceptMaxPerHost: 2}
	for _, step := range []struct {
		addr string
		want int
	}{
		{"192.0.2.1", 0}, {"192.0.2.1", 0}, {"192.0.2.1", 2}, // per host
		{"2001:db8::1", 0}, {"2001:db8::2", 1}, // all three are taken
	} {
		if got := d.enter(mustAddr(step.addr), cfg); int(got) != step.want {
			t.Errorf("enter %s: %d, want %d", step.addr, got, step.want)
		}
	}
	d.leave(mustAddr("192.0.2.1"))
	d.leave(mustAddr("192.0.2.1"))
	if d.enter(mustAddr("2001:db8::99"), cfg) != 0 || d.enter(mustAddr("2001:db8::77"), cfg) == 0 {
		t.Error("DO-04: the addresses of an IPv6 /64 are not counted as one host")
	}
	d.leave(mustAddr("2001:db8::99"))
	d.leave(mustAddr("2001:db8::1"))
	if d.all != 0 || len(d.hosts) != 0 {
		t.Errorf("after all have left: %d, %v", d.all, d.hosts)
	}
}

// What follows breaks actors from outside.

func (r *relay) killQueue() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	old := r.queue.Load()
	r.Inspect(ctx, func(*queue.Core) []queue.Action { panic("test: the queue dies") })
	r.until("there is a new queue", func() bool { return r.queue.Load().Id != old.Id })
}
