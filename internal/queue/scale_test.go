package queue

import (
	"fmt"
	"testing"
	"time"

	"mtad/internal/selector"
	"mtad/spool"
)

// What an event costs where a million messages wait (THREATS C4): as much as where few do.

// fullCore has n deferred messages, restored.
func fullCore(b *testing.B, n int) *Core {
	b.Helper()
	c := New(Settings{Limits: limits(20, 500, time.Second, 0), Rules: fixedRules{15 * time.Minute, 96 * time.Hour}})
	for i := range n {
		c.Restore(testStart, deferredEnvelope(i))
	}
	c.Start(testStart)
	return c
}

func deferredEnvelope(i int) *spool.Envelope {
	env := envelope(testID(i), testStart, "u@x")
	env.Recipients[0].Attempts, env.Recipients[0].FirstFail, env.Recipients[0].LastTry = 1, testStart, testStart
	return env
}

// BenchmarkRestore is one message of a start scan into a queue of so many.
func BenchmarkRestore(b *testing.B) {
	b.ReportAllocs()
	c := fullCore(b, 0)
	i := 0
	for b.Loop() {
		c.Restore(testStart, deferredEnvelope(i))
		i++
	}
}

// BenchmarkMillion is a million messages taken in and scheduled: as a start finds them,
// deferred; and as they arrive, routed into 100,000 lanes, the first of which begin.
func BenchmarkMillion(b *testing.B) {
	const million = 1_000_000
	each := func(b *testing.B, run func()) {
		for b.Loop() {
			run()
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/million, "ns/message")
	}
	b.Run("restore", func(b *testing.B) {
		each(b, func() { fullCore(b, million) })
	})
	b.Run("arrive", func(b *testing.B) {
		each(b, func() {
			w := newBench(b, Settings{Limits: limits(20, 500, 0, 0)})
			w.lane = func(n int) int { return n % 100_000 }
			w.arrive(million)
			if g := w.c.Gauges(); g.Ready+g.Active != million || g.Active == 0 {
				b.Fatalf("%+v", g)
			}
		})
	})
}

// BenchmarkNextLane is one message through the schedule, with so many lanes that each
// have one waiting: arrival, route, start and end of its delivery.
func BenchmarkNextLane(b *testing.B) {
	for _, lanes := range []int{100, 100_000} {
		b.Run(fmt.Sprint(lanes), func(b *testing.B) {
			w := newBench(b, Settings{Limits: limits(20, 500, 0, 0)})
			w.lane = func(n int) int { return n % lanes }
			w.arrive(lanes)
			for b.Loop() {
				f := w.due[0]
				w.due = w.due[1:]
				w.now = f.at
				w.finish(f.job)
				w.arrive(1)
			}
		})
	}
}

// BenchmarkScan looks at 500 of a million messages for a selector: a slice of mtad
// queue list, for which the schedule is held.
func BenchmarkScan(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := fullCore(b, n)
			s, err := selector.Parse("age>2h state=deferred")
			if err != nil {
				b.Fatal(err)
			}
			from, found := uint64(0), 0
			for b.Loop() {
				from = c.Scan(from, 500, func(g selector.Glance) {
					if s.Early(g, testStart.Add(3*time.Hour)) {
						found++
					}
				})
			}
			if found == 0 {
				b.Error("nothing was found")
			}
		})
	}
}
