package route

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	remember      = 30 * time.Second // decisions and addresses
	rememberFault = 5 * time.Second  // what could not be had
	lookupTimeout = 20 * time.Second
	maxDecisions  = 16_384 // in each of two generations: the domains are a stranger's choice
)

// decision is what becomes of mail for a domain. Immutable.
type decision struct {
	plan    *plan
	hosts   []Host
	primary int       // how many of hosts are not fallback hosts
	until   time.Time // zero: for this message only

	fault     string // not "": no destination, and this is why
	permanent bool
	router    string   // the one that the fault is of
	without   []string // which next hops have no address now, and why
}

// make asks the routers in order.
func (r *Router) make(ctx context.Context, domain string, now time.Time) *decision {
	by, says := r.first(domain, nil)
	switch {
	case by == nil:
		return &decision{fault: "Unrouteable address", permanent: true, until: now.Add(remember)}
	case says.unknown:
		return &decision{fault: "the domains of the router cannot be told now: " + says.item, router: by.name}
	}
	return r.resolve(ctx, says.plan, now)
}

// first returns the router that decides about a domain, and what it says; nil
// where none takes it. heard, if not nil, is told what each says that is asked.
func (r *Router) first(domain string, heard func(*router, verdict)) (*router, verdict) {
	for i := range r.routers {
		says := r.routers[i].asks(domain)
		if heard != nil {
			heard(&r.routers[i], says)
		}
		if says.plan != nil || says.unknown {
			return &r.routers[i], says
		}
	}
	return nil, verdict{}
}

// resolve turns a plan into addresses. A host that has none now is left out,
// where another has some.
func (r *Router) resolve(ctx context.Context, p *plan, now time.Time) *decision {
	d := &decision{plan: p, router: p.router, until: now.Add(remember)}
	for i, h := range p.hosts {
		addrs := []netip.Addr{h.Addr}
		if !h.Addr.IsValid() {
			var err error
			if addrs, err = r.hosts.get(ctx, h.Name); err != nil {
				d.without = append(d.without, err.Error())
				d.until = now.Add(rememberFault)
			}
		}
		for _, a := range addrs {
			host := Host{h.Name, netip.AddrPortFrom(a.Unmap(), uint16(h.Port))}
			if !slices.ContainsFunc(d.hosts, func(have Host) bool { return have.Addr == host.Addr }) {
				d.hosts = append(d.hosts, host)
			}
		}
		if i < p.primary {
			d.primary = len(d.hosts)
		}
	}
	if ctx.Err() != nil {
		d.until = time.Time{}
	}
	if len(d.hosts) == 0 {
		d.fault = strings.Join(d.without, "; ")
	}
	return d
}

// decisions remembers what was decided, in two generations: when the young one
// is full it becomes the old one, and what is still asked for moves over.
type decisions struct {
	mu         sync.Mutex
	young, old map[string]*decision
}

func (c *decisions) get(domain string, now time.Time) *decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.young[domain]
	if !ok {
		if d, ok = c.old[domain]; ok {
			c.store(domain, d)
		}
	}
	if !ok || !now.Before(d.until) || now.Before(d.until.Add(-remember)) {
		return nil
	}
	return d
}

func (c *decisions) put(domain string, d *decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(strings.Clone(domain), d) // domain is part of a longer string
}

func (c *decisions) store(domain string, d *decision) {
	if c.young == nil || len(c.young) >= maxDecisions {
		c.young, c.old = map[string]*decision{}, c.young
	}
	c.young[domain] = d
}

// lookups asks for each host name once at a time, and remembers the answer. The
// names are those of the configuration: there is no end to be put to them.
type lookups struct {
	ask Lookup
	mu  sync.Mutex
	all map[string]*answer
}

// answer is there when done is closed.
type answer struct {
	done  chan struct{}
	addrs []netip.Addr
	err   error
	until time.Time
}

func newLookups(ask Lookup) *lookups { return &lookups{ask: ask, all: map[string]*answer{}} }

// get returns the addresses of a host, at least one; the error is for the log.
func (l *lookups) get(ctx context.Context, host string) ([]netip.Addr, error) {
	a := l.answer(ctx, host)
	select {
	case <-a.done:
		return a.addrs, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("host lookup for %s did not complete: %w", host, ctx.Err())
	}
}

// answer returns the remembered answer, or the one that is on its way. Who asks
// first does not decide how long the others wait: the look-up has a time-out of
// its own.
func (l *lookups) answer(ctx context.Context, host string) *answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.all[host]; a != nil && !a.stale() {
		return a
	}
	a := &answer{done: make(chan struct{})}
	l.all[host] = a
	go l.run(context.WithoutCancel(ctx), host, a)
	return a
}

func (a *answer) stale() bool {
	select {
	case <-a.done:
		return !time.Now().Before(a.until)
	default:
		return false
	}
}

func (l *lookups) run(ctx context.Context, host string, a *answer) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	defer close(a.done)
	keep := remember
	defer func() {
		if p := recover(); p != nil { // a goroutine of its own: nobody above would
			a.err = fmt.Errorf("host lookup for %s did not complete: BUG: %v", host, p)
		}
		if a.err != nil {
			keep = rememberFault
		}
		a.until = time.Now().Add(keep)
	}()
	a.addrs, a.err = l.ask(ctx, host)
	switch {
	case errors.Is(a.err, context.DeadlineExceeded):
		a.err = fmt.Errorf("host lookup for %s did not complete: timed out", host)
	case a.err != nil:
		a.err = fmt.Errorf("host lookup for %s did not complete: %w", host, a.err)
	case len(a.addrs) == 0:
		a.err = fmt.Errorf("host %s has no address", host)
	}
}
