package route

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"mtad/internal/config"
)

const (
	remember      = 30 * time.Second // decisions; what the DNS says is kept beside, by its TTL
	rememberFault = 5 * time.Second  // what could not be had
	maxDecisions  = 16_384           // in each of two generations: the domains are a stranger's choice
	maxHosts      = 24               // addresses of a decision, fallback hosts not counted
)

// decision is what becomes of mail for a domain. Immutable.
type decision struct {
	router    string // the one that decided
	transport string
	lane      string
	hosts     []Host    // in the order to try, where nothing is to be shuffled
	machines  []machine // what the order is made of, where something is
	shuffled  int       // machines' items up to this one are shuffled too: randomize_hosts
	dns       bool      // a name was looked up
	partial   bool      // a host is missing that there may be soon
	until     time.Time // zero: for this message only

	fault     string // not "": no destination, and this is why
	permanent bool
	declined  bool // the next router may have one

	// For people.
	plan    *plan    // nil: no router took the domain
	primary int      // how many of hosts are not fallback hosts
	without []string // next hops that are left out, and why
}

// make asks the routers in order. One that finds nothing where mail could go
// leaves it to the next; what the first of these found wrong is told where none
// takes it. heard is told what each says that is asked.
func (r *Router) make(ctx context.Context, domain string, heard func(*router, verdict)) *decision {
	last := &decision{fault: "Unrouteable address", permanent: true}
	for i := range r.routers {
		rt := &r.routers[i]
		says := rt.asks(domain)
		var d *decision
		switch {
		case says.unknown:
			d = &decision{router: rt.name, fault: "the domains of the router cannot be told now: " + says.item}
			heard(rt, says)
			return d
		case says.plan != nil:
			d = r.resolve(ctx, rt, says.plan, domain)
		}
		if d != nil && d.declined {
			says.plan, says.why = nil, d.fault
			if last.router == "" {
				last.router, last.fault, last.without = rt.name, last.fault+": "+d.fault, d.without
			}
		}
		if heard(rt, says); says.plan != nil {
			return r.keep(ctx, d)
		}
	}
	return r.keep(ctx, last)
}

// keep says until when a decision holds.
func (r *Router) keep(ctx context.Context, d *decision) *decision {
	switch now := time.Now(); {
	case ctx.Err() != nil: // there was no time for all of it
	case d.fault == "" && d.partial, d.fault != "" && !d.permanent:
		d.until = now.Add(rememberFault)
	default:
		d.until = now.Add(remember)
	}
	return d
}

// resolve turns a plan into addresses. Of hosts that are named, one that has no
// address now is left out where another has some; a domain's own exchangers have
// to be found.
func (r *Router) resolve(ctx context.Context, rt *router, p *plan, domain string) *decision {
	d := &decision{router: rt.name, transport: rt.transport, lane: p.lane, plan: p}
	items, primary := p.hosts, p.primary
	if p.lookup {
		items = append([]config.HostPort{{Name: domain, Port: rt.port, MX: true}}, items...)
		primary = 1
	}
	found := make([]finding, len(items))
	together(len(items), func(i int) { found[i] = r.find(ctx, rt, items[i]) })
	if p.lookup {
		d.lane = rt.transport + "|" + found[0].lane + strings.Replace(strings.TrimPrefix(p.lane, rt.transport), "|", ",", 1)
	}
	wrong := d.collect(items, found)
	if p.lookup && found[0].machines == nil {
		return d.fail(rt.judge(p, found[0].trouble))
	}
	d.unroutable(r.Reachable)
	if d.settle(primary); len(d.hosts) == 0 {
		return d.fail(rt.judge(p, join(wrong)))
	}
	if p.randomize && primary > 1 {
		d.shuffled = primary
	} else if d.ordered() {
		d.machines = nil
	}
	return d
}

// collect takes in what was found, and returns the troubles.
func (d *decision) collect(items []config.HostPort, found []finding) []*trouble {
	var wrong []*trouble
	for i, f := range found {
		d.without = append(d.without, f.without...)
		if f.trouble != nil {
			wrong = append(wrong, f.trouble)
			d.partial = true
		}
		d.dns = d.dns || !items[i].Addr.IsValid()
		for _, m := range f.machines {
			m.item = i
			d.machines = append(d.machines, m)
		}
	}
	return wrong
}

// fail makes it a decision that there is no destination.
func (d *decision) fail(t *trouble) *decision {
	d.machines, d.hosts, d.primary = nil, nil, 0
	d.fault, d.permanent, d.declined = t.text, t.fate != later, t.fate == next
	return d
}

// settle lists the addresses of all machines, each once.
func (d *decision) settle(primary int) {
	for i := range d.machines {
		m := &d.machines[i]
		all := m.addrs
		m.addrs = nil
		for _, h := range all {
			full := m.item < primary && len(d.hosts) >= maxHosts
			if full || slices.ContainsFunc(d.hosts, func(have Host) bool { return have.Addr == h.Addr }) {
				continue
			}
			d.hosts = append(d.hosts, h)
			m.addrs = append(m.addrs, h)
			if h.Addr.Addr().Is4() {
				m.four++
			}
		}
		if m.item < primary {
			d.primary = len(d.hosts)
		}
	}
}

// ordered reports whether there is one order only.
func (d *decision) ordered() bool {
	for i, m := range d.machines {
		if m.four > 1 || len(m.addrs)-m.four > 1 || i > 0 && m.equals(&d.machines[i-1]) {
			return false
		}
	}
	return true
}

// unroutable takes out addresses that this machine has no route to (IPv6 where
// there is none), unless there are no others: they would fail each time.
func (d *decision) unroutable(reachable func(Host) bool) {
	if !d.dns {
		return
	}
	known := map[Host]bool{}
	some := false
	for _, m := range d.machines {
		for _, h := range m.addrs {
			known[h] = reachable(h)
			some = some || known[h]
		}
	}
	for i := range d.machines {
		m := &d.machines[i]
		m.addrs = slices.DeleteFunc(m.addrs, func(h Host) bool { return some && !known[h] })
	}
}

// order returns the hosts in the order to try them.
func (d *decision) order() []Host {
	if d.machines == nil {
		return d.hosts
	}
	turn := rand.Perm(d.shuffled)
	at := func(m *machine) int {
		if m.item < len(turn) {
			return turn[m.item]
		}
		return m.item
	}
	machines := slices.Clone(d.machines)
	rand.Shuffle(len(machines), func(i, j int) { machines[i], machines[j] = machines[j], machines[i] })
	slices.SortStableFunc(machines, func(a, b machine) int {
		if x, y := at(&a), at(&b); x != y {
			return x - y
		}
		return int(a.preference) - int(b.preference)
	})
	hosts := make([]Host, 0, len(d.hosts))
	for _, m := range machines {
		n := len(hosts)
		hosts = append(hosts, m.addrs...)
		shuffle(hosts[n : n+m.four])
		shuffle(hosts[n+m.four:])
	}
	return hosts
}

func shuffle(hosts []Host) {
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
}

// decisions remembers what was decided, in two generations: when the young one
// is full it becomes the old one, and what is still asked for moves over.
type decisions struct {
	mu         sync.Mutex
	young, old map[question]*decision
}

func (c *decisions) get(q question, now time.Time) *decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.young[q]
	if !ok {
		if d, ok = c.old[q]; ok {
			c.store(q, d)
		}
	}
	if !ok || !now.Before(d.until) || now.Before(d.until.Add(-remember)) {
		return nil
	}
	return d
}

func (c *decisions) put(q question, d *decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q.domain = strings.Clone(q.domain) // it is part of a longer string
	c.store(q, d)
}

func (c *decisions) store(q question, d *decision) {
	if c.young == nil || len(c.young) >= maxDecisions {
		c.young, c.old = map[question]*decision{}, c.young
	}
	c.young[q] = d
}
