package route

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mtad/internal/spell"
)

// Where an operator sends mail stands with each recipient in the spool, as he said it:
//
//	router=NAME   that router takes it, whatever its domains, and the routers before it, say
//	hosts=LIST    these next hops, with commas between them, instead of those of the router that
//	              takes the domain; its transport stays, and with it TLS and AUTH
//
// It is read anew for each attempt, under the configuration that holds then. What has come to
// make no sense costs no message: it waits until that is put right.

const (
	toRouter = "router="
	toHosts  = "hosts="

	maxTarget = 1000 // bytes; the spool keeps 1 KB
)

// CheckTarget says what is wrong with where an operator wants mail to go.
func (r *Router) CheckTarget(to string) error {
	if len(to) > maxTarget {
		return fmt.Errorf("%d bytes of hosts; %d are the most", len(to), maxTarget)
	}
	if name, ok := strings.CutPrefix(to, toRouter); ok {
		_, err := r.named(name)
		return err
	}
	hosts, ok := strings.CutPrefix(to, toHosts)
	if !ok {
		return fmt.Errorf("%q is neither router=NAME nor hosts=LIST", to)
	}
	return new(plan).name("", 0, strings.Split(hosts, ","))
}

// directed decides for mail that an operator sends somewhere.
func (r *Router) directed(ctx context.Context, q question) *decision {
	rt, p, err := r.target(q)
	if err != nil {
		return r.keep(ctx, &decision{fault: "rerouted to " + q.to + ": " + err.Error()})
	}
	d := r.resolve(ctx, rt, p, q.domain)
	d.permanent, d.declined = false, false
	return r.keep(ctx, d)
}

// target finds the router that a question means, and its plan.
func (r *Router) target(q question) (*router, *plan, error) {
	if name, ok := strings.CutPrefix(q.to, toRouter); ok {
		rt, err := r.named(name)
		if err != nil {
			return nil, nil, err
		}
		p, _ := rt.planFor(q.domain)
		if p == nil {
			err = errors.New("its route_list has no entry for the domain, and it has no hosts")
		}
		return rt, p, err
	}
	hosts := strings.Split(strings.TrimPrefix(q.to, toHosts), ",")
	for i := range r.routers {
		if r.routers[i].asks(q.domain).plan == nil {
			continue
		}
		rt := r.routers[i]
		rt.ignored, rt.self = nil, "defer" // the operator named the hosts himself
		p := &plan{primary: len(hosts)}
		return &rt, p, p.name(rt.transport, rt.port, hosts)
	}
	return nil, nil, errors.New("no router takes the domain, so there is no transport to reach them by")
}

// named finds a router.
func (r *Router) named(name string) (*router, error) {
	var names []string
	for i := range r.routers {
		if r.routers[i].name == name {
			return &r.routers[i], nil
		}
		names = append(names, r.routers[i].name)
	}
	hint := ""
	if near := spell.Nearest(name, names); near != "" {
		hint = fmt.Sprintf(" (did you mean %q?)", near)
	}
	return nil, fmt.Errorf("there is no router %q%s; there are %s", name, hint, strings.Join(names, ", "))
}
