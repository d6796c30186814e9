// Package explain says what would be done with mail for an address, step by
// step, and which option, and which item of it, decides.
//
//	address → routers asked in turn → hosts with their addresses
//	        → for each: what its transport's options come to, what the daemon knows of it, a probe
//
// It decides nothing itself: it asks route, outbound.Transport, TLSFacts.Choose
// and PassageOf, as a delivery does, and puts their answers into words.
package explain

import (
	"context"
	"fmt"
	"strings"

	"mtad/internal/config"
	"mtad/internal/outbound"
	"mtad/internal/route"
	"mtad/internal/smtp"
)

// Explainer has what a daemon with this configuration would have.
type Explainer struct {
	Config     *config.Config
	Router     *route.Router
	Retry      *route.Retry
	Transports map[string]*outbound.Transport
	// Known asks the running daemon what it knows of hosts; nil asks nobody.
	Known func(context.Context) ([]Known, error)
	Probe bool // connect to each host
}

// Known is what the running daemon knows of one address of a host.
type Known struct {
	Name, Address string // as in Host
	Transport     string // "": of all
	Connections   int    // there are now
	Window        int    // there may be
	RetryAt       string // RFC 3339; "": now
	Error         string // what went wrong with it last
	Remembered    string // that it does not go on after TLS was shut down
}

// Report is what would be done with mail for one address.
type Report struct {
	Address   string    `json:"address"`
	Domain    string    `json:"domain"`
	Routers   []Asked   `json:"routers"`
	Router    string    `json:"router,omitempty"` // the one that takes it
	Transport string    `json:"transport,omitempty"`
	Fault     string    `json:"fault,omitempty"` // why there is nowhere to go
	Permanent bool      `json:"permanent,omitempty"`
	Daemon    string    `json:"daemon,omitempty"` // why the running daemon does not answer
	Notes     []string  `json:"notes,omitempty"`
	General   []Finding `json:"general,omitempty"`
	Hosts     []Host    `json:"hosts,omitempty"`
}

// Asked is what one router says.
type Asked struct {
	Router string `json:"router"`
	Takes  bool   `json:"takes"`
	Why    string `json:"why"`
	Item   string `json:"item,omitempty"` // of its domains
}

// Host is one address of one next hop, in the order in which they are tried.
type Host struct {
	Name     string    `json:"name"`
	Address  string    `json:"address"` // with port
	Findings []Finding `json:"findings"`
	Probe    *Probe    `json:"probe,omitempty"`
}

// Finding is one thing that is decided.
type Finding struct {
	About  string `json:"about"`
	Text   string `json:"text"`
	Option string `json:"option,omitempty"` // that decides
	Item   string `json:"item,omitempty"`   // of it, as written
}

// Deliverable reports whether there is somewhere to go, and, where hosts were
// probed, whether one of them would have taken a message.
func (r *Report) Deliverable() bool {
	probed := false
	for _, h := range r.Hosts {
		if h.Probe != nil && h.Probe.Fault == "" {
			return true
		}
		probed = probed || h.Probe != nil
	}
	return r.Fault == "" && !probed
}

// Explain says what would be done with mail for an address.
func (e *Explainer) Explain(ctx context.Context, address smtp.Path) *Report {
	trace := e.Router.Explain(ctx, address.Address)
	r := &Report{Address: address.Address, Domain: trace.Domain, Router: trace.Dest.Router, Transport: trace.Dest.Transport,
		Fault: clean(trace.Fault), Permanent: trace.Permanent}
	for _, a := range trace.Asked {
		r.Routers = append(r.Routers, Asked{a.Router, a.Takes, clean(a.Why), clean(a.Item)})
	}
	r.Notes = notes(&trace)
	t := e.Transports[trace.Dest.Transport]
	if t == nil || r.Fault != "" {
		if !r.Permanent {
			r.General = e.retry(trace.Domain)
		}
		return r
	}
	r.General = append(general(t.Config), e.retry(trace.Domain)...)
	known := e.ask(ctx, r)
	for _, h := range trace.Dest.Hosts {
		r.Hosts = append(r.Hosts, e.host(ctx, t, h, known))
	}
	return r
}

// notes are what there is to say of the hosts as a whole.
func notes(t *route.Trace) []string {
	var all []string
	if t.Overridden {
		all = append(all, "the hosts are those of the transport (hosts_override): what the router names does not count")
	}
	for _, w := range t.Without {
		all = append(all, "left out: "+clean(w))
	}
	if t.Randomize {
		all = append(all, "the order is shuffled for each message (randomize_hosts)")
	}
	if n := len(t.Dest.Hosts); t.Primary > 0 && t.Primary < n {
		all = append(all, fmt.Sprintf("from number %d on they are fallback_hosts, tried when all others have failed", t.Primary+1))
	}
	return all
}

// ask gets what the daemon knows; why it does not stands in the report.
func (e *Explainer) ask(ctx context.Context, r *Report) []Known {
	if e.Known == nil {
		r.Daemon = "it was not asked"
		return nil
	}
	known, err := e.Known(ctx)
	if err != nil {
		r.Daemon = clean(err.Error())
	}
	return known
}

// clean makes text printable: some of it is the network's. What is escaped already
// stays as it is.
func clean(text string) string {
	return strings.ReplaceAll(smtp.Printable([]byte(text), 4096), `\\`, `\`)
}
