package actors

import (
	"errors"
	"net"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"mtad/internal/config"
)

// Another configuration while mail flows:
//
//	Reconfigure ── sockets are bound, or nothing happens ─▶ setup and doors are stored: new sessions have them
//	    ├── reconfigure ─▶ queue       all that waits is routed anew; new jobs bear the new setup
//	    └── listenOn ────▶ supervisor  listeners begin and end; sessions do not notice

// Reconfigure puts a checked configuration in force: for new sessions, for new jobs, and
// for messages that wait, at their next attempt. What is under way ends as it began.
// listen binds an address that is not listened on yet; where it fails nothing has changed.
func (d *Daemon) Reconfigure(cfg *config.Config, listen func(address string) (net.Listener, error)) error {
	d.reconfiguring.Lock()
	defer d.reconfiguring.Unlock()
	if d.draining.Load() {
		return errors.New("mtad is draining")
	}
	next := d.makeSetup(cfg)
	inlets, opened, err := d.openInlets(cfg, listen)
	if err != nil {
		return err
	}
	closed := d.leftOut(inlets)
	d.setup.Store(next)
	for in, l := range inlets {
		in.door.Store(doorOf(l, cfg))
	}
	d.inlets = d.inlets[:0:0]
	for in := range inlets {
		d.inlets = append(d.inlets, in)
	}
	if pid := d.queue.Load(); pid != nil { // one that is to come begins with the new setup
		d.root.Send(pid, &reconfigure{})
	}
	d.root.Send(d.supervisor, &listenOn{open: opened, close: closed})
	return nil
}

// openInlets finds the inlet of each [[listen]], or makes it.
func (d *Daemon) openInlets(cfg *config.Config, listen func(string) (net.Listener, error)) (all map[*inlet]config.Listen, opened []*inlet, err error) {
	all = make(map[*inlet]config.Listen)
	for _, l := range cfg.Listen {
		in := d.inletAt(l.Address)
		if in == nil {
			sock, err := listen(l.Address)
			if err != nil {
				for _, in := range opened {
					in.net.Close()
				}
				return nil, nil, err
			}
			in = d.newInlet(Bound{sock, l}, cfg)
			opened = append(opened, in)
		}
		all[in] = l
	}
	return all, opened, nil
}

func (d *Daemon) inletAt(address string) *inlet {
	for _, in := range d.inlets {
		if config.Endpoint(in.address) == config.Endpoint(address) {
			return in
		}
	}
	return nil
}

// leftOut lists the inlets that a configuration has no [[listen]] for.
func (d *Daemon) leftOut(wanted map[*inlet]config.Listen) (out []*inlet) {
	for _, in := range d.inlets {
		if _, ok := wanted[in]; !ok {
			out = append(out, in)
		}
	}
	return out
}

// listenOn begins and ends accept loops.
func (s *supervisor) listenOn(ctx actor.Context, m *listenOn) {
	for _, in := range m.close {
		in.leave()
	}
	for _, in := range m.open {
		if s.draining {
			in.net.Close()
			continue
		}
		s.spawnListener(ctx, in)
	}
}

// reconfigure takes over the setup in force.
func (q *queueActor) reconfigure(now time.Time) {
	latest := q.h.setup.Load()
	if q.core == nil || latest == q.under {
		return
	}
	q.under = latest
	q.apply(q.core.Reconfigure(now, q.h.queueSettings(q.epoch, latest)), nil)
}
