package queue

import (
	"testing"
	"time"

	"mtad/spool"
)

func deliveredOutcome(j Job, at time.Time) []spool.Outcome {
	return []spool.Outcome{{ID: j.Message, State: spool.Delivered, At: at}}
}

func deferredOutcome(j Job, at time.Time) []spool.Outcome {
	return []spool.Outcome{{ID: j.Message, State: spool.Pending, Attempts: 1, FirstFail: at, At: at}}
}

// BenchmarkCycle is a message through the queue: arrive, route, next, finish.
func BenchmarkCycle(b *testing.B) {
	c := New(Settings{Limits: limits(20, 1<<30, time.Second, 0), Rules: fixedRules{time.Minute, time.Hour}})
	c.Start(testStart)
	dests := []Destination{{Router: "r", Transport: "smtp", Lane: "x", Hosts: []HostAddr{testHost(1)}, Recipients: firstRcpt}}
	env := envelope(testID(0), testStart, "a@x")
	outcomes := make([]spool.Outcome, 1)
	b.ReportAllocs()
	for i := range b.N {
		env.ID[0], env.ID[1], env.ID[2] = byte(i), byte(i>>8), byte(i>>16)
		c.Arrived(testStart, env)
		for _, a := range c.Routed(testStart, env.ID, dests, nil) {
			var j Job
			switch a := a.(type) {
			case StartDelivery:
				j = a.Job
			case Next:
				j = a.Job
			default:
				continue
			}
			outcomes[0] = spool.Outcome{ID: j.Message, State: spool.Delivered, At: testStart}
			c.Finished(testStart, Report{Delivery: j.Delivery, Message: j.Message, Outcomes: outcomes, Open: true})
			break
		}
	}
	if len(c.messages) > 0 {
		b.Fatalf("%d messages are left", len(c.messages))
	}
}

// BenchmarkManyLanes finishes one message and starts the next among 100,000 lanes that
// all wait for a credit.
func BenchmarkManyLanes(b *testing.B) {
	x := newBench(b, Settings{RemoteMaxParallel: 100, Share: 1, Limits: limits(20, 500, 0, 0)})
	x.lane = func(n int) int { return n % 100_000 }
	x.arrive(100_000)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		f := x.due[0]
		x.due = x.due[1:]
		x.finish(f.job)
		x.arrive(1)
	}
}
