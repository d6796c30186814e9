package main

import (
	"errors"

	"mtad/spool"
)

// CheckRoute says what is wrong with where mail is to be rerouted.
func (s *adminServer) CheckRoute(to string) error { return s.daemon.CheckRoute(to) }

// keepRoutes writes down where recipients are to go, before the schedule asks for their
// routes: routing reads it in the spool.
func (s *adminServer) keepRoutes(found []chosen, to string) error {
	var all spool.Batch
	for _, f := range found {
		all.Reroutes = append(all.Reroutes, reroutes(f, to)...)
	}
	err := s.spool.Commit(&all)
	if !errors.Is(err, spool.ErrUnknown) {
		return err
	}
	for _, f := range found { // one of them has ended meanwhile
		if err := s.spool.Commit(&spool.Batch{Reroutes: reroutes(f, to)}); err != nil && !errors.Is(err, spool.ErrUnknown) {
			return err
		}
	}
	return nil
}

// reroutes is what changes of one message.
func reroutes(f chosen, to string) (changed []spool.Reroute) {
	rcpts := f.rcpts
	if rcpts == nil {
		for i := range f.env.Recipients {
			rcpts = append(rcpts, i)
		}
	}
	for _, i := range rcpts {
		if r := &f.env.Recipients[i]; !r.State.Final() && r.Route != to {
			changed = append(changed, spool.Reroute{ID: f.env.ID, Rcpt: i, To: to})
		}
	}
	return changed
}
