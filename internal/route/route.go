package route

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"mtad/internal/config"
	"mtad/spool"
)

// Lookup returns the addresses of a host name. An error means that they cannot
// be had now; none means that there are none.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// Host is one address of one next hop.
type Host struct {
	Name string // as configured; Addr's text where the host was given as an address
	Addr netip.AddrPort
}

// Destination is where one group of a message's recipients goes. Two with equal
// Lane are the same lane.
type Destination struct {
	Router     string
	Transport  string
	Lane       string // "transport|host:port,host:port"
	Hosts      []Host // in the order to try, fallback_hosts last; shared, not to be changed
	Recipients []int  // indexes into the envelope's recipients, in the order given
}

// Fault is why some recipients have no destination (yet).
type Fault struct {
	Recipients []int
	Permanent  bool   // no router takes them; otherwise they are to be asked for again
	Text       string // for the log and the bounce
	Router     string // "" when none took it
}

// Router routes. It is safe for concurrent use.
type Router struct {
	hostname string // the domain of an address without one
	routers  []router
	hosts    *lookups
	known    decisions
}

// New returns the router of a configuration. Look-ups may run in several
// goroutines, one for a name at a time.
func New(cfg *config.Config, lookup Lookup) *Router {
	r := &Router{hostname: strings.ToLower(cfg.PrimaryHostname), hosts: newLookups(lookup)}
	for i := range cfg.Routers {
		c := &cfg.Routers[i]
		if t := cfg.Transports[c.Transport]; t != nil { // config sees to it
			r.routers = append(r.routers, newRouter(c, t))
		}
	}
	return r
}

// Route says where these recipients of a message go, and why some do not.
// Each appears once in what is returned. It may wait for look-ups, until ctx
// ends at most.
func (r *Router) Route(ctx context.Context, env *spool.Envelope, rcpts []int) ([]Destination, []Fault) {
	g := grouping{room: len(rcpts)}
	now := time.Now()
	for _, i := range rcpts {
		g.add(i, r.decide(ctx, r.domainOf(env.Recipients[i].Address), now))
	}
	return g.dests, g.faults
}

// Known is Route from what is remembered: it waits for nothing and opens no
// file. ok is false where it does not know some domain; then nothing is returned.
func (r *Router) Known(env *spool.Envelope, rcpts []int) (dests []Destination, faults []Fault, ok bool) {
	g := grouping{room: len(rcpts)}
	now := time.Now()
	for _, i := range rcpts {
		d := r.known.get(r.domainOf(env.Recipients[i].Address), now)
		if d == nil {
			return nil, nil, false
		}
		g.add(i, d)
	}
	return g.dests, g.faults, true
}

// domainOf returns what is behind the last @.
func (r *Router) domainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return r.hostname
	}
	return address[at+1:]
}

// decide returns the decision for a domain, remembered or made now.
func (r *Router) decide(ctx context.Context, domain string, now time.Time) *decision {
	if d := r.known.get(domain, now); d != nil {
		return d
	}
	d := r.make(ctx, domain, now)
	if !d.until.IsZero() {
		r.known.put(domain, d)
	}
	return d
}

// grouping collects the recipients of one message by lane, and by fault.
type grouping struct {
	room    int
	dests   []Destination
	faults  []Fault
	byPlan  map[*plan]int     // index into dests; nil while these are few
	byFault map[*decision]int // index into faults; nil while these are few
}

// few is up to how many groups are searched one by one.
const few = 8

func (g *grouping) add(rcpt int, d *decision) {
	if d.fault != "" {
		g.addFault(rcpt, d)
		return
	}
	for i := range min(len(g.dests), few) {
		if have := &g.dests[i]; have.Lane == d.plan.lane && have.Router == d.plan.router {
			have.Recipients = append(have.Recipients, rcpt)
			return
		}
	}
	if i, ok := g.byPlan[d.plan]; ok {
		g.dests[i].Recipients = append(g.dests[i].Recipients, rcpt)
		return
	}
	room := 1
	if len(g.dests) == 0 {
		room = g.room // most messages go one way
	}
	dest := Destination{d.plan.router, d.plan.transport, d.plan.lane, d.order(), append(make([]int, 0, room), rcpt)}
	if g.dests = append(g.dests, dest); len(g.dests) > few {
		if g.byPlan == nil {
			g.byPlan = map[*plan]int{}
		}
		g.byPlan[d.plan] = len(g.dests) - 1
	}
}

func (g *grouping) addFault(rcpt int, d *decision) {
	for i := range min(len(g.faults), few) {
		if have := &g.faults[i]; have.Text == d.fault && have.Router == d.router && have.Permanent == d.permanent {
			have.Recipients = append(have.Recipients, rcpt)
			return
		}
	}
	if i, ok := g.byFault[d]; ok {
		g.faults[i].Recipients = append(g.faults[i].Recipients, rcpt)
		return
	}
	if g.faults = append(g.faults, Fault{[]int{rcpt}, d.permanent, d.fault, d.router}); len(g.faults) > few {
		if g.byFault == nil {
			g.byFault = map[*decision]int{}
		}
		g.byFault[d] = len(g.faults) - 1
	}
}

// order returns the hosts in the order to try them.
func (d *decision) order() []Host {
	if !d.plan.randomize {
		return d.hosts
	}
	hosts := append([]Host(nil), d.hosts...)
	rand.Shuffle(d.primary, func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	return hosts
}
