package queue

import (
	"testing"
	"time"

	"mtad/spool"
)

// What is known of a host that fails outlives a restart: its retry time holds, behind it
// goes one probe, and once it works it is forgotten in the spool too.
func TestHostRetryOutlivesARestart(t *testing.T) {
	t.Parallel()
	facts := map[string]spool.HostFact{}
	take := func(actions []Action) (started []Job) {
		for _, a := range actions {
			switch a := a.(type) {
			case Record:
				for _, f := range a.Batch.Hosts {
					if facts[f.Key] = f; len(f.Value) == 0 {
						delete(facts, f.Key)
					}
				}
			case StartDelivery:
				started = append(started, a.Job)
			}
		}
		return started
	}
	set := Settings{Limits: limits(20, 500, 0, 0), Rules: fixedRules{15 * time.Minute, 96 * time.Hour}}
	arrive := func(c *Core, at time.Time, n int) []Job {
		id := testID(n)
		jobs := take(c.Arrived(at, envelope(id, at, "a@x")))
		return append(jobs, take(c.Routed(at, id, []Destination{{Router: "r", Transport: "smtp", Lane: "x", Hosts: []HostAddr{testHost(1)}, Recipients: []int{0}}}, nil))...)
	}
	c := New(set)
	c.Start(testStart)
	j := arrive(c, testStart, 1)[0]
	take(c.Finished(testStart, Report{Delivery: j.Delivery, Message: j.Message, Host: HostFailed, Kind: "connect", Error: "H=mx1 [192.0.0.1]: Connection refused"}))
	if len(facts) != 1 {
		t.Fatalf("facts %v", facts)
	}

	at := testStart.Add(5 * time.Minute)
	c = New(set)
	for _, f := range facts {
		c.RestoreHost(at, f)
	}
	c.RestoreHost(at, spool.HostFact{Key: "handoff mx1 192.0.0.1:25", Value: []byte("x")})
	c.RestoreHost(at, spool.HostFact{Key: "retry smtp mx1 nonsense", Value: []byte("1 2 3 4 connect\n")})
	c.Start(at)
	if jobs := append(arrive(c, at, 2), arrive(c, at, 3)...); len(jobs) > 0 {
		t.Fatalf("tried before its retry time: %v", jobs)
	}
	if s, _ := c.Summary(testID(2)); s.Why != "retry time not reached for any host: H=mx1 [192.0.0.1]: Connection refused" {
		t.Errorf("waits: %s", s.Why)
	}
	jobs := take(c.Tick(testStart.Add(15 * time.Minute)))
	if len(jobs) != 1 {
		t.Fatalf("%d probes at its retry time", len(jobs))
	}
	j = jobs[0]
	take(c.Finished(testStart.Add(15*time.Minute), Report{Delivery: j.Delivery, Message: j.Message, Host: HostOK,
		Outcomes: []spool.Outcome{{ID: j.Message, State: spool.Delivered}}}))
	if len(facts) != 0 {
		t.Errorf("still remembered: %v", facts)
	}
}
