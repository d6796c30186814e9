package spool

import "testing"

// Where an operator sent a recipient survives outcomes, a checkpoint and a restart, until he
// takes it back or the message is gone.
func TestRouteIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{})
	id := commitNew(t, s, "x", "a@b", "c@d")
	other := commitNew(t, s, "y", "a@b")
	commit := func(b Batch) {
		t.Helper()
		if err := s.Commit(&b); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when, first, second string) {
		t.Helper()
		env, err := s.Envelope(id)
		if err != nil || env.Recipients[0].Route != first || env.Recipients[1].Route != second {
			t.Errorf("%s: %+v, %v", when, env, err)
		}
		if env, err := s.Envelope(other); err != nil || env.Recipients[0].Route != "" {
			t.Errorf("%s: the other has %+v, %v", when, env, err)
		}
	}
	commit(Batch{Reroutes: []Reroute{{ID: id, Rcpt: 0, To: "router=x"}, {ID: id, Rcpt: 1, To: "hosts=y"}}})
	commit(Batch{Reroutes: []Reroute{{ID: id, Rcpt: 1}}, Outcomes: []Outcome{{ID: id, Rcpt: 0, State: Pending, Attempts: 3, Error: "later"}}})
	check("at once", "router=x", "")
	s.Close()
	s = open(t, dir, Options{})
	check("after a restart", "router=x", "")
	if err := s.roll(); err != nil {
		t.Fatal(err)
	}
	if err := s.checkpoint(s.seg.number); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir, Options{})
	check("from a checkpoint", "router=x", "")
	commit(Batch{Reroutes: []Reroute{{ID: id, Rcpt: 0}, {ID: id, Rcpt: 1, To: "hosts=z"}}})
	check("the other way", "", "hosts=z")
	for _, r := range []Reroute{{}, {ID: id, Rcpt: 2}, {ID: id, Rcpt: -1}} {
		if s.Commit(&Batch{Reroutes: []Reroute{r}}) == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	commit(Batch{Outcomes: []Outcome{{ID: id, Rcpt: 0, State: Delivered}, {ID: id, Rcpt: 1, State: Delivered}}})
	for i := range s.index.shards {
		if n := len(s.index.shards[i].routes); n > 0 {
			t.Errorf("%d routes are left of what is gone", n)
		}
	}
}
