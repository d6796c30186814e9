package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mtad/internal/admin"
	"mtad/internal/queue"
	"mtad/internal/selector"
	"mtad/spool"
)

// The queue for an operator: a slice at a time, so that the schedule is never held for
// long, and neither is memory.

const (
	lookSlice  = 500              // messages that the schedule is asked for at a time
	listBudget = 5 * time.Second  // for one page
	actBudget  = 15 * time.Second // for one order
)

// chosen is a message that a selector means.
type chosen struct {
	env   *spool.Envelope
	seq   uint64
	rcpts []int // nil: all of it
}

// look asks for the next messages from a cursor on and returns those that are meant.
func (s *adminServer) look(ctx context.Context, sel *selector.Selector, from uint64, n int) (found []chosen, next uint64, looked int, err error) {
	now := time.Now()
	var glances []selector.Glance
	places := map[spool.ID][]queue.Bound{}
	err = s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		next, looked = glance(c, sel, from, n, func(g selector.Glance) {
			if !sel.Early(g, now) {
				return
			}
			glances = append(glances, g)
			if sel.NeedsPlaces() {
				places[g.ID] = c.Places(g.ID)
			}
		})
		return nil
	})
	for _, g := range glances {
		env, unknown := s.spool.Envelope(g.ID)
		if unknown != nil {
			continue // it has ended meanwhile
		}
		rcpts := sel.Recipients(env, func(i int) selector.Place { return placeOf(places[g.ID], i) }, now)
		if rcpts == nil {
			continue
		}
		if sel.Whole() {
			rcpts = nil
		}
		found = append(found, chosen{env, g.Seq, rcpts})
	}
	return found, next, looked, err
}

// glance looks at the ids that a selector names, or at all messages in turn.
func glance(c *queue.Core, sel *selector.Selector, from uint64, n int, f func(selector.Glance)) (next uint64, looked int) {
	ids := sel.IDs()
	if ids == nil {
		next = c.Scan(from, n, func(g selector.Glance) {
			looked++
			f(g)
		})
		return next, looked
	}
	for i := from; i < uint64(len(ids)); i++ {
		if looked == n {
			return i, looked
		}
		looked++
		if g, known := c.Glance(ids[i]); known {
			g.Seq = i
			f(g)
		}
	}
	return 0, looked
}

func placeOf(places []queue.Bound, rcpt int) selector.Place {
	for i := range places {
		if slices.Contains(places[i].Rcpts, rcpt) {
			return places[i].Place
		}
	}
	return selector.Place{}
}

// List returns a page of what is meant.
func (s *adminServer) List(ctx context.Context, part admin.Slice) (page []admin.Message, next uint64, err error) {
	end := time.Now().Add(listBudget)
	for next = part.From; ; {
		found, after, _, err := s.look(ctx, part.Select, next, lookSlice)
		if err != nil {
			return page, 0, err
		}
		next = after
		if room := part.Max - len(page); len(found) > room {
			found, next = found[:room], found[room].seq
		}
		if page, err = s.summarize(ctx, page, found); err != nil {
			return page, 0, err
		}
		if next == 0 || len(page) >= part.Max || time.Now().After(end) {
			return page, next, nil
		}
	}
}

// summarize adds what the schedule knows of the messages found.
func (s *adminServer) summarize(ctx context.Context, page []admin.Message, found []chosen) ([]admin.Message, error) {
	if len(found) == 0 {
		return page, nil
	}
	err := s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		for _, f := range found {
			if sum, known := c.Summary(f.env.ID); known {
				page = append(page, admin.Message{Envelope: f.env, Summary: sum, Meant: f.rcpts})
			}
		}
		return nil
	})
	return page, err
}

// Act does one thing to all that is meant, or counts it.
func (s *adminServer) Act(ctx context.Context, o admin.Order) (r admin.Result, err error) {
	end := time.Now().Add(actBudget)
	r.Failed = s.unknown(o)
	for r.Next = o.From; ; {
		n := lookSlice
		if o.Max > 0 {
			n = min(n, o.Max-r.Examined)
		}
		found, next, looked, err := s.look(ctx, o.Select, r.Next, n)
		if err != nil {
			return r, err
		}
		r.Examined += looked
		for _, f := range found {
			r.Matched++
			r.Recipients += open(f)
		}
		if !o.DryRun && len(found) > 0 {
			if err := s.actOn(ctx, o, found); err != nil {
				return r, err
			}
			r.Done += len(found)
		}
		if r.Next = next; next == 0 || o.Max > 0 && r.Examined >= o.Max || time.Now().After(end) {
			return r, nil
		}
	}
}

// unknown says of which ids that were named there is no message.
func (s *adminServer) unknown(o admin.Order) map[string]string {
	failed := map[string]string{}
	for _, id := range o.Select.IDs() {
		if _, err := s.spool.Envelope(id); err != nil && o.From == 0 {
			failed[id.String()] = err.Error()
		}
	}
	return failed
}

// open counts the recipients that are meant and not accounted for.
func open(f chosen) (n int) {
	if f.rcpts != nil {
		return len(f.rcpts)
	}
	for i := range f.env.Recipients {
		if !f.env.Recipients[i].State.Final() {
			n++
		}
	}
	return n
}

// actOn does it to some messages, in one commit. Their log lines come before what the act
// makes of them.
func (s *adminServer) actOn(ctx context.Context, o admin.Order, found []chosen) error {
	if o.Verb == admin.Reroute {
		if err := s.keepRoutes(found, o.To); err != nil {
			return err
		}
	}
	for _, f := range found {
		s.tell(o, f.env.ID)
	}
	return s.daemon.Inspect(ctx, func(c *queue.Core) (all []queue.Action) {
		now := time.Now()
		for _, f := range found {
			all = append(all, act(c, now, o, f)...)
		}
		return all
	})
}

func act(c *queue.Core, now time.Time, o admin.Order, f chosen) []queue.Action {
	switch id := f.env.ID; o.Verb {
	case admin.Retry:
		return c.Retry(now, id)
	case admin.Freeze:
		return c.Freeze(now, id)
	case admin.Thaw:
		return c.Thaw(now, id)
	case admin.Remove:
		return c.Remove(now, id, f.rcpts, o.By)
	case admin.Bounce:
		return c.Bounce(now, id, f.rcpts, cmp.Or(o.Reason, "cancelled by the administrator of this relay"))
	case admin.Reroute:
		return c.Reroute(now, id, f.rcpts)
	}
	panic("BUG: no such act: " + string(o.Verb))
}

// tell writes the log line that belongs to the message.
func (s *adminServer) tell(o admin.Order, id spool.ID) {
	switch by := o.By; o.Verb {
	case admin.Retry:
		s.log.Retried(id, by)
	case admin.Freeze:
		s.log.Frozen(id, "by "+by)
	case admin.Thaw:
		s.log.Thawed(id, by)
	case admin.Remove:
		s.log.Removed(id, by)
	case admin.Bounce:
		s.log.Cancelled(id, by)
	case admin.Reroute:
		s.log.Rerouted(id, o.To, by)
	}
}

// Lanes returns lanes behind a name, in order.
func (s *adminServer) Lanes(ctx context.Context, after string, max int) (lanes []queue.LaneState, err error) {
	var keys []string
	err = s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		keys = c.LaneKeys()
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(keys)
	i, found := slices.BinarySearch(keys, after)
	if found {
		i++
	}
	err = s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		for ; i < len(keys) && len(lanes) < max; i++ {
			if l, known := c.Lane(keys[i]); known {
				lanes = append(lanes, l)
			}
		}
		return nil
	})
	return lanes, err
}

// Suspensions lists what is suspended.
func (s *adminServer) Suspensions(ctx context.Context) (all []queue.SuspensionState, err error) {
	err = s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		all = c.Suspensions()
		return nil
	})
	return all, err
}

var errTooMany = errors.New(fmt.Sprint("there are ", queue.MaxSuspensions, " suspensions already; one of * is one"))

// Suspend returns when it is in the spool.
func (s *adminServer) Suspend(ctx context.Context, x queue.Suspension) error {
	full := false
	err := s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		if full = c.Gauges().Suspensions >= queue.MaxSuspensions; full {
			return nil
		}
		return c.Suspend(time.Now(), x)
	})
	if full {
		return errTooMany
	}
	return err
}

// Resume ends one.
func (s *adminServer) Resume(ctx context.Context, scope, pattern string) (found bool, err error) {
	err = s.daemon.Inspect(ctx, func(c *queue.Core) (actions []queue.Action) {
		actions, found = c.Resume(time.Now(), scope, pattern)
		return actions
	})
	return found, err
}
