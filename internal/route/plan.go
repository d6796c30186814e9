package route

import (
	"strconv"
	"strings"

	"mtad/internal/config"
	"mtad/internal/lists"
)

// router is a [[router]] made ready: a plan for each of its routes.
type router struct {
	name      string
	transport string
	domains   *lists.DomainList
	exact     map[string]*plan // by domain
	below     map[string]*plan // by "example.com" for *.example.com
	rest      *plan            // hosts, or the route for *; nil: it takes no other domains

	// What is to be looked up, and what of it is not to be believed.
	port      int               // of exchangers
	mxDomains *lists.DomainList // their addresses do not stand in for an MX
	ignored   *lists.HostList   // addresses that count as missing
	self      string            // what becomes of mail that would come back
}

// plan is an ordered set of next hops by name, and the lane that it makes.
type plan struct {
	lane      string
	hosts     []config.HostPort // each with its port
	primary   int               // how many are not fallback hosts
	lookup    bool              // lookuphost: the domain's own exchangers go before hosts
	randomize bool
	// The transport named the hosts: hosts_override.
	overridden bool
}

// reserved are networks where no stranger's mail exchanger can be: an MX that
// says so would have this machine knock at its own neighbours' doors (DN-02).
var reserved = mustHosts(`<; 0.0.0.0/8 ; 10.0.0.0/8 ; 100.64.0.0/10 ; 127.0.0.0/8 ; 169.254.0.0/16 ; 172.16.0.0/12 ; 192.0.0.0/24 ; 192.168.0.0/16 ; 198.18.0.0/15 ; 224.0.0.0/3 ; ::/96 ; 64:ff9b:1::/48 ; 100::/64 ; fc00::/7 ; fe80::/10 ; fec0::/10 ; ff00::/8`)

func mustHosts(text string) *lists.HostList {
	l, err := lists.ParseHosts(lists.Split(text), lists.Env{})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return l
}

func newRouter(c *config.Router, t *config.Transport) router {
	r := router{
		name: c.Name, transport: t.Name, domains: c.Domains, exact: map[string]*plan{}, below: map[string]*plan{},
		port: t.Port, mxDomains: c.MXDomains, ignored: c.IgnoreTargetHosts, self: c.Self,
	}
	lookup := c.Driver == "lookuphost"
	switch {
	case lookup && r.ignored == nil:
		r.ignored = reserved
	case r.ignored != nil && r.ignored.String() == "":
		r.ignored = nil
	}
	switch {
	case r.self == "" && lookup:
		r.self = "fail"
	case r.self == "":
		r.self = "defer"
	}
	if len(c.Hosts) > 0 || lookup || len(c.RouteList) == 0 && len(t.Hosts) > 0 {
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
	lookup := c.Driver == "lookuphost" && !t.HostsOverride
	if t.HostsOverride || len(hosts) == 0 && !lookup {
		hosts = t.Hosts
	}
	fallback := c.FallbackHosts
	if len(fallback) == 0 {
		fallback = t.FallbackHosts
	}
	p := &plan{primary: len(hosts), lookup: lookup, randomize: c.RandomizeHosts, overridden: t.HostsOverride}
	if err := p.name(t.Name, t.Port, append(hosts[:len(hosts):len(hosts)], fallback...)); err != nil {
		panic("BUG: hosts were not checked: " + err.Error())
	}
	return p
}

// name gives a plan its hosts, and with them its lane.
func (p *plan) name(transport string, port int, hosts []string) error {
	var lane strings.Builder
	lane.WriteString(transport)
	for i, text := range hosts {
		h, err := config.ParseHostPort(text)
		if err != nil {
			return err
		}
		if h.Port == 0 {
			h.Port = port
		}
		if h.Addr.IsValid() {
			h.Name = h.Addr.String()
		}
		p.hosts = append(p.hosts, h)
		lane.WriteByte("|,"[min(i, 1)])
		lane.WriteString(laneHost(h))
	}
	p.lane = lane.String()
	return nil
}

// laneHost writes a next hop in one way only.
func laneHost(h config.HostPort) string {
	switch port := ":" + strconv.Itoa(h.Port); {
	case h.MX:
		return "mx:" + h.Name + port
	case h.Addr.Is6():
		return "[" + h.Name + "]" + port
	default:
		return h.Name + port
	}
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
	p, why := r.planFor(domain)
	if literal && why != byExact && !namesLiteral(in.Item) {
		return verdict{item: in.Item, why: literalOut}
	}
	return verdict{plan: p, item: in.Item, why: why}
}

// planFor is where the router sends a domain that it takes; nil: it has no route for it.
func (r *router) planFor(domain string) (p *plan, why string) {
	if p, ok := r.exact[domain]; ok {
		return p, byExact
	}
	for rest := domain; len(r.below) > 0; {
		_, after, more := strings.Cut(rest, ".")
		if !more {
			break
		}
		if p, ok := r.below[after]; ok {
			return p, byParent
		}
		rest = after
	}
	if r.rest == nil {
		return nil, noRoute
	}
	return r.rest, byRest
}

// namesLiteral reports whether a list item is meant for address literals: these
// are not part of "all domains".
func namesLiteral(item string) bool {
	return strings.HasPrefix(item, "[") || strings.HasPrefix(item, "^") || item == "@[]"
}
