package route

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mtad/internal/config"
)

// Trace is how a domain is routed, for people: the routers in the order in which
// they are asked, up to the one that decides, and what comes of it.
type Trace struct {
	Domain     string
	Asked      []Asked
	Dest       Destination // without recipients; its Router is "" where there is none
	Overridden bool        // hosts_override of the transport named the hosts
	Randomize  bool        // the hosts before Primary are shuffled for each message
	Primary    int         // how many of Dest.Hosts are not fallback hosts
	Without    []string    // next hops that have no address now, and why
	Fault      string      // why there is no destination (yet)
	Permanent  bool        // no router takes it
}

// Asked is what one router says.
type Asked struct {
	Router  string
	Takes   bool
	Unknown bool   // that cannot be said now: mail waits
	Item    string // the item of its domains that decided; "" where the end of the list did
	Why     string
}

// Explain routes an address as Route does, from the beginning, and tells how.
func (r *Router) Explain(ctx context.Context, address string) Trace {
	t := Trace{Domain: r.domainOf(address)}
	d := r.make(ctx, t.Domain, func(by *router, says verdict) {
		t.Asked = append(t.Asked, Asked{by.name, says.plan != nil, says.unknown, says.item, says.why})
	})
	t.Fault, t.Permanent, t.Without, t.Primary = d.fault, d.permanent, d.without, d.primary
	if p := d.plan; p != nil {
		t.Dest = Destination{Router: d.router, Transport: d.transport, Lane: d.lane, DNS: d.dns, Hosts: d.hosts}
		t.Overridden, t.Randomize = p.overridden, p.randomize
	}
	return t
}

// RetryRule is a rule that may say when mail for a domain is tried again.
type RetryRule struct {
	Number int      // of the [[retry]], from 1; 0 is the rule that holds where none does
	Errors []string // empty: all that the rules before it are not for
	Item   string   // the item of its domains that the domain is
	Rule   string   // "F,2h,15m; G,16h,1h,1.5"
}

// Explain returns the rules for a domain, in order, up to the one for all errors;
// those that are for some of its addresses only are among them.
func (r *Retry) Explain(domain string) []RetryRule {
	var all []RetryRule
	for i := range r.rules {
		rule := &r.rules[i]
		yes, item := rule.covers(domain)
		if !yes {
			continue
		}
		number := i + 1
		if i == len(r.rules)-1 {
			number = 0
		}
		all = append(all, RetryRule{number, rule.kinds, item, rule.text})
		if len(rule.kinds) == 0 && rule.address == nil {
			break
		}
	}
	return all
}

func ruleText(steps []config.RetryStep) string {
	var parts []string
	for _, s := range steps {
		part := fmt.Sprintf("%c,%s,%s", s.Kind, timeText(s.Cutoff), timeText(s.Interval))
		if s.Kind == 'G' {
			part += fmt.Sprintf(",%g", s.Factor)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// timeText writes a time as Exim has it: 15m, 4d, 90s.
func timeText(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{7 * 24 * time.Hour, "w"}, {24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= unit.size && d%unit.size == 0 {
			return fmt.Sprintf("%d%s", d/unit.size, unit.name)
		}
	}
	return d.String()
}
