package route

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mtad/internal/config"
	"mtad/internal/lists"
	"mtad/internal/resolver"
)

// A name becomes machines with addresses: a host's own, or those of a domain's
// mail exchangers (RFC 5321 5.1).
//
//	MX records      → exchangers by preference
//	null MX         → the domain takes no mail (RFC 7505)
//	none            → the domain itself, unless it is in mx_domains
//	ourselves there → only those that are better than we are
//	CNAME           → followed by the resolver, eight at most
//
// NXDOMAIN and "no such record" are facts about mail; everything else is about
// the DNS, and waits.

// Bounds on what a stranger's zone may make us do for one domain (DN-04). The
// resolver has bounds of its own.
const (
	maxExchangers = 10 // the best ones; only these are looked up
	maxAddrs      = 8  // of each exchanger
)

// machine is one next hop with its addresses. Machines of the same item and
// preference are equals.
type machine struct {
	item       int // among the hosts of the plan
	preference uint16
	addrs      []Host // IPv4 first
	four       int    // how many are IPv4
}

func (m *machine) equals(other *machine) bool {
	return m.item == other.item && m.preference == other.preference
}

// finding is what a look-up came to. There may be machines and a trouble: with
// some of them.
type finding struct {
	machines []machine
	lane     string // the exchangers by name
	trouble  *trouble
	without  []string // what is left out, and why
}

// trouble is why there are no hosts.
type trouble struct {
	fate fate
	text string
}

// fate is what a trouble makes of mail.
type fate uint8

const (
	later fate = iota // nobody could say now: deferred
	next              // there is no such host: the next router may have one
	fail              // it is known that this mail can go nowhere
	ours              // the best host is this machine: as the router's option self says
)

// judge says what becomes of mail with that trouble. What the operator named
// himself (domainlist) never costs a message: it waits until it is put right.
func (rt *router) judge(p *plan, t *trouble) *trouble {
	if t.fate == ours {
		fates := map[string]fate{"fail": fail, "send": fail, "defer": later, "pass": next}
		return &trouble{fates[rt.self], t.text}
	}
	if !p.lookup {
		return &trouble{later, t.text}
	}
	return t
}

// join makes one trouble of several hosts': only what they have in common is
// sure.
func join(all []*trouble) *trouble {
	if len(all) == 0 {
		return &trouble{later, "no host has an address that can be used"}
	}
	worst, texts := all[0].fate, make([]string, len(all))
	for i, t := range all {
		texts[i] = t.text
		if t.fate != worst {
			worst = later
		}
	}
	return &trouble{worst, strings.Join(texts, "; ")}
}

// without is a finding of nothing.
func without(t *trouble) finding { return finding{trouble: t, without: []string{t.text}} }

// find looks one next hop up.
func (r *Router) find(ctx context.Context, rt *router, h config.HostPort) finding {
	addr, literal := lists.ParseLiteral(h.Name)
	switch {
	case h.Addr.IsValid():
		return finding{machines: []machine{{addrs: []Host{{h.Name, netip.AddrPortFrom(h.Addr, uint16(h.Port))}}}}}
	case h.MX && literal:
		return r.exchangersOf(ctx, rt, h, []resolver.MX{{Host: addr.String()}})
	case h.MX:
		return r.exchangers(ctx, rt, h)
	}
	m, t := r.machine(ctx, rt, h.Name, h.Port, false)
	if t != nil {
		return without(t)
	}
	return finding{machines: []machine{m}}
}

// exchangers looks up where a domain's mail goes.
func (r *Router) exchangers(ctx context.Context, rt *router, h config.HostPort) finding {
	if _, err := netip.ParseAddr(h.Name); err == nil {
		return without(&trouble{next, h.Name + " is an address, not a domain"})
	}
	mx, err := r.dns.LookupMX(ctx, h.Name)
	switch resolver.KindOf(err) {
	case resolver.Temporary:
		return without(failed(h.Name, err))
	case resolver.NXDomain:
		return without(&trouble{next, "the domain " + h.Name + " does not exist"})
	case resolver.NoData:
		switch rt.mxDomains.Match(h.Name).Answer {
		case lists.Yes:
			return without(&trouble{next, h.Name + " has no MX record, and mx_domains asks for one"})
		case lists.Unknown:
			return without(&trouble{later, "mx_domains cannot be told now"})
		}
		mx = []resolver.MX{{Host: h.Name}} // RFC 5321 5.1: the implicit MX
	default:
		if mx[0].Null {
			return without(&trouble{fail, "556 5.1.10 the domain " + h.Name + " does not accept mail (null MX)"})
		}
	}
	return r.exchangersOf(ctx, rt, h, mx)
}

// exchangersOf turns MX records into machines: those that are better than this
// one, where it is among them.
func (r *Router) exchangersOf(ctx context.Context, rt *router, h config.HostPort, mx []resolver.MX) finding {
	slices.SortFunc(mx, func(a, b resolver.MX) int {
		if a.Preference != b.Preference {
			return int(a.Preference) - int(b.Preference)
		}
		return strings.Compare(a.Host, b.Host)
	})
	mx = mx[:min(len(mx), maxExchangers)]
	machines, wrong := make([]machine, len(mx)), make([]*trouble, len(mx))
	together(len(mx), func(i int) {
		machines[i], wrong[i] = r.machine(ctx, rt, mx[i].Host, h.Port, true)
		machines[i].preference = mx[i].Preference
	})
	end := len(mx) // of those that are better than we are
	for i, t := range slices.Backward(wrong) {
		if t != nil && t.fate == ours {
			end = slices.IndexFunc(mx, func(other resolver.MX) bool { return other.Preference >= mx[i].Preference })
		}
	}
	f := finding{lane: laneOf(mx[:end], h.Port), trouble: sumUp(h.Name, mx, wrong, end)}
	for i, t := range wrong {
		switch {
		case t != nil:
			f.without = append(f.without, t.text)
		case i < end:
			f.machines = append(f.machines, machines[i])
		default:
			f.without = append(f.without, fmt.Sprintf("%s is no better than this host, by its preference %d", mx[i].Host, mx[i].Preference))
		}
	}
	return f
}

// laneOf writes exchangers in one way only: "mx1:25=mx2:25,backup:25".
func laneOf(mx []resolver.MX, port int) string {
	var b strings.Builder
	for i, m := range mx {
		switch {
		case i == 0:
		case m.Preference == mx[i-1].Preference:
			b.WriteByte('=')
		default:
			b.WriteByte(',')
		}
		addr, _ := netip.ParseAddr(m.Host)
		b.WriteString(laneHost(config.HostPort{Name: m.Host, Addr: addr, Port: port}))
	}
	return b.String()
}

// sumUp says what is wrong with the exchangers before end, and with there being
// none.
func sumUp(domain string, mx []resolver.MX, wrong []*trouble, end int) *trouble {
	var all []string
	for _, t := range wrong[:end] {
		if t == nil {
			continue
		}
		if t.fate == later {
			return t
		}
		all = append(all, t.text)
	}
	switch {
	case len(all) < end:
		return nil
	case end < len(wrong):
		return &trouble{ours, "5.4.6 lowest numbered MX record of " + domain + " points to local host"}
	}
	if len(mx) == 1 && mx[0].Host == domain {
		return &trouble{next, "no MX record, and " + all[0]}
	}
	return &trouble{next, "all relevant MX records point to non-existent hosts: " + strings.Join(all, "; ")}
}

// machine looks a host's addresses up. exchanger: a stranger may have named it.
func (r *Router) machine(ctx context.Context, rt *router, host string, port int, exchanger bool) (machine, *trouble) {
	guarded := exchanger && rt.self != "send"
	if guarded && host == r.here.name {
		return machine{}, &trouble{ours, host + " is this host"}
	}
	addrs, err := r.dns.LookupAddrs(ctx, host)
	switch resolver.KindOf(err) {
	case resolver.Temporary:
		return machine{}, failed(host, err)
	case resolver.NXDomain:
		return machine{}, &trouble{next, "host " + host + " does not exist"}
	case resolver.NoData:
		return machine{}, &trouble{next, "host " + host + " has no address"}
	}
	var m machine
	t := &trouble{next, "host " + host + " has no address that can be used"}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() })
	for _, a := range addrs {
		at := netip.AddrPortFrom(a.Unmap(), uint16(port))
		if why := r.unwanted(rt, at, guarded); why != nil {
			if t = why; t.fate == ours && exchanger {
				return machine{}, t
			}
			continue
		}
		if len(m.addrs) < maxAddrs {
			m.addrs = append(m.addrs, Host{host, at})
		}
	}
	if len(m.addrs) == 0 {
		return m, t
	}
	return m, nil
}

// unwanted returns why mail is not to be sent to an address, nil where it may.
func (r *Router) unwanted(rt *router, at netip.AddrPort, guarded bool) *trouble {
	addr := at.Addr()
	switch {
	case r.here.noIPv6 && addr.Is6():
		return &trouble{next, addr.String() + " is not to be used: disable_ipv6"}
	case rt.ignored.Match(lists.Host{Addr: addr}).Answer == lists.Yes:
		return &trouble{next, addr.String() + " is not to be used: ignore_target_hosts"}
	case guarded && r.here.has(addr), r.here.listens(at):
		return &trouble{ours, at.String() + " is this host"}
	}
	return nil
}

// failed makes a trouble of a look-up that did not come to an end.
func failed(name string, err error) *trouble {
	if _, tells := errors.AsType[*resolver.Error](err); tells {
		return &trouble{later, err.Error()}
	}
	return &trouble{later, "host lookup for " + name + " did not complete: " + err.Error()}
}
