package queue

import (
	"slices"
	"testing"
	"time"
)

// A reroute while the route is being asked for: the answer under way knows nothing of it, so
// both halves of it are asked for again; and once only.
func TestRerouteWhileAsking(t *testing.T) {
	t.Parallel()
	c := New(Settings{Limits: limits(20, 500, time.Second, 0), Rules: fixedRules{15 * time.Minute, 96 * time.Hour}})
	c.Start(testStart)
	id := testID(1)
	answer := func() []Action {
		return c.Routed(testStart, id, []Destination{
			{Router: "r", Transport: "smtp", Lane: "a", Hosts: []HostAddr{testHost(1)}, Recipients: []int{0}},
			{Router: "r", Transport: "smtp", Lane: "b", Hosts: []HostAddr{testHost(2)}, Recipients: []int{1}},
		}, nil)
	}
	ask := func(actions []Action) (rcpts []int, started int) {
		for _, a := range actions {
			switch a := a.(type) {
			case Route:
				rcpts = append(rcpts, a.Rcpts...)
			case StartDelivery:
				started++
			}
		}
		return rcpts, started
	}
	if rcpts, _ := ask(c.Arrived(testStart, envelope(id, testStart, "u@x", "v@y"))); !slices.Equal(rcpts, []int{0, 1}) {
		t.Fatalf("asked for %v", rcpts)
	}
	if actions := c.Reroute(testStart, id, []int{1}); len(actions) > 0 {
		t.Errorf("at once: %v", actions)
	}
	if rcpts, started := ask(answer()); !slices.Equal(rcpts, []int{0, 1}) || started != 0 {
		t.Errorf("after the old answer: asked for %v, %d deliveries", rcpts, started)
	}
	if rcpts, started := ask(answer()); len(rcpts) > 0 || started != 2 {
		t.Errorf("after the new one: asked for %v, %d deliveries", rcpts, started)
	}
}
