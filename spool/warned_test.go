package spool

import "testing"

// How often a sender was warned survives outcomes, a checkpoint and a restart.
func TestWarnedIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{})
	id := commitNew(t, s, "x", "a@b", "c@d")
	other := commitNew(t, s, "y", "a@b")
	for _, b := range []*Batch{
		{Warned: []Warned{{ID: id, Count: 2}}},
		{Outcomes: []Outcome{{ID: id, Rcpt: 0, State: Pending, Attempts: 3, Error: "later"}}},
	} {
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string) {
		t.Helper()
		env, err := s.Envelope(id)
		if err != nil || env.Warned != 2 || env.Recipients[0].Attempts != 3 || env.Recipients[1].Attempts != 0 {
			t.Errorf("%s: %+v, %v", when, env, err)
		}
		if env, err := s.Envelope(other); err != nil || env.Warned != 0 {
			t.Errorf("%s: the other has %+v, %v", when, env, err)
		}
	}
	check("at once")
	s.Close()
	s = open(t, dir, Options{})
	check("after a restart")
	if err := s.roll(); err != nil {
		t.Fatal(err)
	}
	if err := s.checkpoint(s.seg.number); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir, Options{})
	check("from a checkpoint")
	if err := s.Commit(&Batch{Warned: []Warned{{ID: ID{}, Count: 1}}}); err == nil {
		t.Error("a warning of an unknown message was taken")
	}
}
