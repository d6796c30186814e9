package route

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"mtad/internal/config"
	"mtad/internal/resolver"
	"mtad/spool"
)

// DNS is what routing asks of the DNS: a *resolver.Resolver. What it returns is
// the caller's, and errors are judged by resolver.KindOf. It keeps answers for as
// long as they hold, and asks once for all who want to know the same.
type DNS interface {
	LookupMX(ctx context.Context, domain string) ([]resolver.MX, error)
	LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error)
}

// Host is one address of one next hop.
type Host struct {
	Name string // as configured or from the MX; Addr's text where the host was given as an address
	Addr netip.AddrPort
}

// Destination is where one group of a message's recipients goes. Two with equal
// Lane are the same lane.
type Destination struct {
	Router     string
	Transport  string
	Lane       string // "transport|host:port,host:port"; equal exchangers with = between
	DNS        bool   // names were looked up: the hosts are to be asked for again at the next attempt
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
	dns      DNS
	here     here
	known    decisions
	// Reachable reports whether this machine has a route to a host. To be replaced,
	// if at all, before the first use.
	Reachable func(Host) bool
}

// New returns the router of a configuration.
func New(cfg *config.Config, dns DNS) *Router {
	r := &Router{hostname: strings.ToLower(cfg.PrimaryHostname), dns: dns, here: newHere(cfg), Reachable: reachable}
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
	known := r.decideAll(ctx, env, rcpts)
	for _, i := range rcpts {
		g.add(i, known[r.question(&env.Recipients[i])])
	}
	return g.dests, g.faults
}

// question is what is to be decided once for all whom it concerns.
type question struct {
	domain string
	to     string // where an operator sends it; "": where the routers say
}

// question is that of one recipient.
func (r *Router) question(rcpt *spool.Recipient) question {
	return question{r.domainOf(rcpt.Address), rcpt.Route}
}

// decideAll decides for each domain of these recipients, several at a time.
func (r *Router) decideAll(ctx context.Context, env *spool.Envelope, rcpts []int) map[question]*decision {
	known := make(map[question]*decision)
	var asked []question
	for _, i := range rcpts {
		q := r.question(&env.Recipients[i])
		if _, ok := known[q]; !ok {
			known[q] = nil
			asked = append(asked, q)
		}
	}
	decided := make([]*decision, len(asked))
	together(len(asked), func(i int) { decided[i] = r.decide(ctx, asked[i]) })
	for i, q := range asked {
		known[q] = decided[i]
	}
	return known
}

// Known is Route from what is remembered: it waits for nothing and opens no
// file. ok is false where it does not know some domain; then nothing is returned.
func (r *Router) Known(env *spool.Envelope, rcpts []int) (dests []Destination, faults []Fault, ok bool) {
	g := grouping{room: len(rcpts)}
	now := time.Now()
	for _, i := range rcpts {
		d := r.known.get(r.question(&env.Recipients[i]), now)
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

// decide returns the decision on a question, remembered or made now.
func (r *Router) decide(ctx context.Context, q question) (d *decision) {
	if d = r.known.get(q, time.Now()); d != nil {
		return d
	}
	if q.to != "" {
		d = r.directed(ctx, q)
	} else {
		d = r.make(ctx, q.domain, func(*router, verdict) {})
	}
	if !d.until.IsZero() {
		r.known.put(q, d)
	}
	return d
}

// grouping collects the recipients of one message by lane, and by fault.
type grouping struct {
	room    int
	dests   []Destination
	faults  []Fault
	byLane  map[way]int       // index into dests; nil while these are few
	byFault map[*decision]int // index into faults; nil while these are few
}

// way is what recipients of one destination have in common.
type way struct{ router, lane string }

// few is up to how many groups are searched one by one.
const few = 8

func (g *grouping) add(rcpt int, d *decision) {
	if d.fault != "" {
		g.addFault(rcpt, d)
		return
	}
	for i := range min(len(g.dests), few) {
		if have := &g.dests[i]; have.Lane == d.lane && have.Router == d.router {
			have.Recipients = append(have.Recipients, rcpt)
			return
		}
	}
	if i, ok := g.byLane[way{d.router, d.lane}]; ok {
		g.dests[i].Recipients = append(g.dests[i].Recipients, rcpt)
		return
	}
	room := 1
	if len(g.dests) == 0 {
		room = g.room // most messages go one way
	}
	g.dests = append(g.dests, Destination{
		Router: d.router, Transport: d.transport, Lane: d.lane, DNS: d.dns,
		Hosts: d.order(), Recipients: append(make([]int, 0, room), rcpt),
	})
	if len(g.dests) > few {
		if g.byLane == nil {
			g.byLane = map[way]int{}
		}
		g.byLane[way{d.router, d.lane}] = len(g.dests) - 1
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
