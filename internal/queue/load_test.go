package queue

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"mtad/spool"
)

// bench is a core with next hops that answer after a while, in simulated time.
type bench struct {
	first map[spool.ID]time.Time // when a message failed first
	c     *Core
	now   time.Time
	n     int
	lane  func(n int) int // which lane message n goes to
	takes func(lane int) time.Duration
	dead  func(lane int) bool
	busy  map[int]int // open connections by lane
	most  map[int]int
	due   []finish // sorted by time: a small heap is not worth it here
	tries map[int]int
	ended map[int][]time.Time
	begun []int // message numbers in the order in which they were begun
	t     testing.TB

	gaveUp int
}

type finish struct {
	at  time.Time
	job Job
}

func newBench(t testing.TB, set Settings) *bench {
	if set.Rules == nil {
		set.Rules = fixedRules{15 * time.Minute, 96 * time.Hour}
	}
	b := &bench{first: map[spool.ID]time.Time{},
		t: t, c: New(set), now: testStart, busy: map[int]int{}, most: map[int]int{}, tries: map[int]int{}, ended: map[int][]time.Time{},
		lane: func(int) int { return 0 }, takes: func(int) time.Duration { return 100 * time.Millisecond }, dead: func(int) bool { return false },
	}
	b.take(b.c.Start(b.now))
	return b
}

func (b *bench) arrive(count int) {
	for range count {
		b.take(b.c.Arrived(b.now, envelope(testID(b.n), b.now, "u@x")))
		b.n++
	}
}

func (b *bench) take(actions []Action) {
	var asks []Route
	for _, a := range actions {
		switch a := a.(type) {
		case Route:
			asks = append(asks, a)
		case StartDelivery:
			lane := laneOf(a.Job)
			b.busy[lane]++
			b.most[lane] = max(b.most[lane], b.busy[lane])
			b.begin(a.Job)
		case GaveUp:
			b.gaveUp++
		case Next:
			b.begin(a.Job)
		}
	}
	for _, a := range asks {
		b.take(b.c.Routed(b.now, a.Message, []Destination{b.destination(numberOf(a.Message.String()))}, nil))
	}
}

func numberOf(id string) (n int) {
	fmt.Sscanf(id, "m%d", &n)
	return n
}

func laneOf(j Job) (n int) {
	fmt.Sscanf(j.Lane, "lane%d", &n)
	return n
}

func (b *bench) destination(n int) Destination {
	lane := b.lane(n)
	return Destination{Router: "r", Transport: "smtp", Lane: fmt.Sprintf("lane%d", lane), Hosts: []HostAddr{testHost(lane)}, Recipients: firstRcpt}
}

func (b *bench) begin(j Job) {
	lane := laneOf(j)
	b.tries[lane]++
	b.begun = append(b.begun, numberOf(j.Message.String()))
	f := finish{b.now.Add(b.takes(lane)), j}
	i := len(b.due)
	b.due = append(b.due, f)
	for ; i > 0 && b.due[i-1].at.After(f.at); i-- {
		b.due[i] = b.due[i-1]
	}
	b.due[i] = f
}

// run lets time pass until end, or until nothing happens any more.
func (b *bench) run(end time.Time) {
	for {
		wake := b.c.NextWake()
		switch {
		case len(b.due) > 0 && (wake.IsZero() || !b.due[0].at.After(wake)):
			f := b.due[0]
			if f.at.After(end) {
				return
			}
			b.due = b.due[1:]
			b.now = f.at
			b.finish(f.job)
		case wake.IsZero() || wake.After(end):
			return
		default:
			if wake.After(b.now) {
				b.now = wake
			}
			b.take(b.c.Tick(b.now))
		}
	}
}

func (b *bench) finish(j Job) {
	lane := laneOf(j)
	r := Report{Delivery: j.Delivery, Epoch: j.Epoch, Message: j.Message, Open: true}
	if b.dead(lane) {
		r.Host, r.Kind, r.Open = HostFailed, "connect", false
		r.Outcomes = deferredOutcome(j, b.now)
		if first, again := b.first[j.Message]; again {
			r.Outcomes[0].FirstFail = first
		} else {
			b.first[j.Message] = b.now
		}
	} else {
		r.Outcomes = deliveredOutcome(j, b.now)
		b.ended[lane] = append(b.ended[lane], b.now)
	}
	actions := b.c.Finished(b.now, r)
	for _, a := range actions {
		if h, ok := a.(Hangup); ok && h.Delivery == j.Delivery {
			b.busy[lane]--
		}
	}
	b.take(actions)
}

func (b *bench) last() (last time.Time, total int) {
	for _, ends := range b.ended {
		total += len(ends)
		if t := ends[len(ends)-1]; t.After(last) {
			last = t
		}
	}
	return last, total
}

// TestSlowNextHop: a next hop that takes 400 ms a message over 20 connections is kept
// busy: at least 90 % of what they permit, slow start included.
func TestSlowNextHop(t *testing.T) {
	t.Parallel()
	b := newBench(t, Settings{Limits: limits(20, 500, time.Second, 0)})
	b.takes = func(int) time.Duration { return 400 * time.Millisecond }
	b.arrive(5000)
	b.run(testStart.Add(time.Hour))
	last, total := b.last()
	if ideal := 5000 / 20 * 400 * time.Millisecond; total != 5000 || last.Sub(testStart) > ideal*10/9 {
		t.Errorf("%d messages in %v, could be %v", total, last.Sub(testStart), ideal)
	}
	if b.most[0] != 20 {
		t.Errorf("%d connections at most, want 20", b.most[0])
	}
}

// TestThousandLanes: each lane is served, and all credits are in use.
func TestThousandLanes(t *testing.T) {
	t.Parallel()
	b := newBench(t, Settings{Limits: limits(20, 500, time.Second, 0)})
	b.lane = func(n int) int { return n % 1000 }
	b.arrive(20000)
	b.run(testStart.Add(time.Hour))
	last, total := b.last()
	if ideal := 20000 / 200 * 100 * time.Millisecond; total != 20000 || last.Sub(testStart) > ideal*10/9 {
		t.Errorf("%d messages in %v, could be %v", total, last.Sub(testStart), ideal)
	}
}

// TestFlood: one lane with 50,000 messages, slow, and 20 lanes with few: these are not
// held up (THREATS C4, C5, DO-13).
func TestFlood(t *testing.T) {
	t.Parallel()
	b := newBench(t, Settings{RemoteMaxParallel: 10, Limits: limits(20, 500, time.Second, 0)})
	b.lane = func(n int) int {
		if n < 50000 {
			return 0
		}
		return 1 + n%20
	}
	b.arrive(50000)
	b.run(testStart.Add(30 * time.Second))
	from := b.now
	b.arrive(200)
	b.run(from.Add(20 * time.Second))
	done := 0
	for lane := 1; lane <= 20; lane++ {
		done += len(b.ended[lane])
	}
	if done != 200 {
		t.Errorf("%d of 200 messages went past the flood in 20 s", done)
	}
}

// TestExpireBehindProbes: a host that is probed more often than its lane is looked
// through does not keep the messages behind it from expiring.
func TestExpireBehindProbes(t *testing.T) {
	b := newBench(t, Settings{Limits: limits(20, 500, 0, 0), Rules: fixedRules{time.Second, 3 * time.Second}})
	b.dead = func(int) bool { return true }
	b.arrive(200)
	b.run(testStart.Add(3 * time.Minute))
	if b.gaveUp != 200 {
		t.Errorf("%d of 200 messages were given up three minutes after a cutoff of three seconds", b.gaveUp)
	}
}

// TestDeadHost: half a million messages behind a dead host cost one probe at each
// retry time, and others are not slowed (THREATS A11, C4). When it lives again it is
// started slowly (DU-28).
func TestDeadHost(t *testing.T) {
	n := 500_000
	if testing.Short() {
		n = 20_000
	}
	b := newBench(t, Settings{Limits: limits(20, 500, time.Second, 0)})
	b.lane = func(i int) int { return min(max(0, i-n+1), 1) }
	alive := false
	b.dead = func(lane int) bool { return lane == 0 && !alive }
	b.arrive(n)
	b.run(testStart.Add(4 * time.Hour))
	if got := b.tries[0]; got > 5+16 {
		t.Errorf("%d attempts in 4 hours with a retry time of 15 minutes", got)
	}
	b.now = testStart.Add(4 * time.Hour)
	b.arrive(100)
	from := b.now
	b.run(from.Add(2 * time.Second))
	if got := len(b.ended[1]); got != 100 {
		t.Errorf("%d of 100 messages went past the dead host", got)
	}
	alive = true
	b.most[0] = 0
	b.run(from.Add(16 * time.Minute))
	if b.most[0] != 20 || len(b.ended[0]) < 100 {
		t.Errorf("the host lives again: %d connections, %d messages", b.most[0], len(b.ended[0]))
	}
	first := b.ended[0][0]
	early := 0
	for _, at := range b.ended[0] {
		if at.Sub(first) <= 100*time.Millisecond {
			early++
		}
	}
	if early > 1+5 {
		t.Errorf("%d messages in the first 100 ms: no slow start", early)
	}
}

// TestOrderOverAll: with max_connections = 1 messages go in order of arrival, over all.
func TestOrderOverAll(t *testing.T) {
	t.Parallel()
	b := newBench(t, Settings{Limits: limits(1, 7, time.Second, 0)})
	luck := rand.New(rand.NewPCG(1, 2))
	b.takes = func(int) time.Duration { return time.Duration(luck.IntN(50)) * time.Millisecond }
	for range 50 {
		b.arrive(4)
		b.run(b.now.Add(20 * time.Millisecond))
	}
	b.run(b.now.Add(time.Hour))
	if _, total := b.last(); total != 200 || b.most[0] > 1 {
		t.Errorf("%d messages, %d connections", total, b.most[0])
	}
	if !slices.IsSorted(b.begun) {
		t.Errorf("out of order: %v", b.begun)
	}
}

// TestClockJumps: a wall clock that jumps and comes back expires nothing, and makes
// nothing wait longer than its rule says (THREATS A8, DU-22).
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-time.Hour, -10 * 365 * 24 * time.Hour} {
		b := newBench(t, Settings{Limits: limits(20, 500, 0, 0)})
		b.dead = func(int) bool { return true }
		b.arrive(1)
		b.run(b.now.Add(time.Minute))
		b.take(b.c.Tick(b.now.Add(jump)))
		wake := b.c.NextWake()
		if d := wake.Sub(b.now.Add(jump)); d < 0 || d > 15*time.Minute {
			t.Errorf("after a jump of %v the next wake is %v away", jump, d)
		}
	}
}

// TestMemory: a message that waits costs the queue at most 200 bytes.
func TestMemory(t *testing.T) {
	const n = 200_000
	for name, dead := range map[string]bool{"behind a dead host": true, "restored, deferred": false} {
		before := heapInUse()
		b := newBench(t, Settings{Limits: limits(20, 500, 0, 0)})
		if dead {
			b.dead = func(int) bool { return true }
			b.arrive(n)
			b.run(b.now.Add(time.Second))
		} else {
			b.c = New(b.c.set)
			for i := range n {
				env := envelope(testID(i), testStart, "u@x")
				env.Recipients[0].Attempts, env.Recipients[0].FirstFail, env.Recipients[0].LastTry = 1, testStart, testStart
				b.c.Restore(testStart, env)
			}
			b.c.Start(testStart)
		}
		each := float64(heapInUse()-before) / n
		runtime.KeepAlive(b)
		t.Logf("%s: %.0f bytes a message", name, each)
		if each > 220 {
			t.Errorf("%s: %.0f bytes a message", name, each)
		}
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
