package route

import (
	"strconv"
	"strings"

	"mtad/internal/config"
	"mtad/internal/lists"
)

// router is a [[router]] made ready: a plan for each of its routes.
type router struct {
	name    string
	domains *lists.DomainList
	exact   map[string]*plan // by domain
	below   map[string]*plan // by "example.com" for *.example.com
	rest    *plan            // hosts, or the route for *; nil: it takes no other domains
}

// plan is an ordered set of next hops by name, and the lane that it makes.
type plan struct {
	router, transport string
	lane              string
	hosts             []config.HostPort // each with its port
	primary           int               // how many are not fallback hosts
	randomize         bool
	overridden        bool // the transport named the hosts: hosts_override
}

func newRouter(c *config.Router, t *config.Transport) router {
	r := router{name: c.Name, domains: c.Domains, exact: map[string]*plan{}, below: map[string]*plan{}}
	if len(c.Hosts) > 0 || len(c.RouteList) == 0 && len(t.Hosts) > 0 {
		r.rest = newPlan(c, t, c.Hosts)
	}
	for domain, hosts := range c.RouteList {
		p := newPlan(c, t, hosts)
		if domain == "*" {
			r.rest = p
		} else if suffix, ok := strings.CutPrefix(domain, "*."); ok {
			r.below[suffix] = p
		} else {
			r.exact[domain] = p
		}
	}
	return r
}

func newPlan(c *config.Router, t *config.Transport, hosts []string) *plan {
	if t.HostsOverride || len(hosts) == 0 {
		hosts = t.Hosts
	}
	fallback := c.FallbackHosts
	if len(fallback) == 0 {
		fallback = t.FallbackHosts
	}
	p := &plan{overridden: t.HostsOverride, router: c.Name, transport: t.Name, primary: len(hosts), randomize: c.RandomizeHosts}
	var lane strings.Builder
	lane.WriteString(t.Name)
	for i, text := range append(hosts[:len(hosts):len(hosts)], fallback...) {
		h, err := config.ParseHostPort(text)
		if err != nil {
			panic("BUG: host " + text + " was not checked: " + err.Error())
		}
		if h.Port == 0 {
			h.Port = t.Port
		}
		if h.Addr.IsValid() {
			h.Name = h.Addr.String()
		}
		p.hosts = append(p.hosts, h)
		lane.WriteByte("|,"[min(i, 1)])
		lane.WriteString(laneHost(h))
	}
	p.lane = lane.String()
	return p
}

// laneHost writes a next hop in one way only.
func laneHost(h config.HostPort) string {
	if h.Addr.Is6() {
		return "[" + h.Name + "]:" + strconv.Itoa(h.Port)
	}
	return h.Name + ":" + strconv.Itoa(h.Port)
}

// verdict is what a router says of a domain, and why.
type verdict struct {
	plan    *plan  // nil: it does not take it
	unknown bool   // that cannot be said now
	item    string // the item of its domains that decided; "" where the end of the list did
	why     string
}

// Why a router takes a domain or does not.
const (
	notAmong   = "the domain is not among its domains"
	takenOut   = "its domains take it out"
	notKnown   = "its domains cannot be told now"
	literalOut = "an address literal is taken only where domains name it"
	noRoute    = "the domain is among its domains, but route_list has no entry for it and there is no hosts"
	byExact    = "route_list names the domain"
	byParent   = "route_list names a domain above it"
	byRest     = "the domain is among its domains"
)

// asks returns what the router says of a domain.
func (r *router) asks(domain string) verdict {
	literal := strings.HasPrefix(domain, "[")
	in := r.domains.Match(domain)
	switch {
	case in.Answer == lists.Unknown:
		return verdict{unknown: true, item: in.Item, why: notKnown}
	case in.Answer == lists.No && in.Item != "":
		return verdict{item: in.Item, why: takenOut}
	case in.Answer == lists.No:
		return verdict{why: notAmong}
	}
	if p, ok := r.exact[domain]; ok {
		return verdict{plan: p, item: in.Item, why: byExact}
	}
	if literal && !namesLiteral(in.Item) {
		return verdict{item: in.Item, why: literalOut}
	}
	for rest := domain; len(r.below) > 0; {
		_, after, more := strings.Cut(rest, ".")
		if !more {
			break
		}
		if p, ok := r.below[after]; ok {
			return verdict{plan: p, item: in.Item, why: byParent}
		}
		rest = after
	}
	if r.rest == nil {
		return verdict{item: in.Item, why: noRoute}
	}
	return verdict{plan: r.rest, item: in.Item, why: byRest}
}

// namesLiteral reports whether a list item is meant for address literals: these
// are not part of "all domains".
func namesLiteral(item string) bool {
	return strings.HasPrefix(item, "[") || strings.HasPrefix(item, "^") || item == "@[]"
}
