package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// MX is a mail exchanger.
type MX struct {
	Host       string // lower case, no dot at the end; "" for the null MX
	Preference uint16 // the least is tried first
	Null       bool   // the domain takes no mail, says its owner: RFC 7505
}

// Resolver asks the DNS. It is safe for concurrent use.
type Resolver struct {
	servers        func() *servers
	hosts          *watched[*hostsTable]
	dial           func(ctx context.Context, network, addr string) (net.Conn, error)
	minTTL         time.Duration
	maxTTL         time.Duration
	maxNegativeTTL time.Duration

	store *store
	turns chan struct{} // one for each question on the wire

	ctx     context.Context // ends with Close; flights belong to nobody who waits for them
	cancel  context.CancelFunc
	flights sync.WaitGroup
}

// Close ends the questions under way as temporary failures, and waits for that.
// Nothing may be asked afterwards.
func (r *Resolver) Close() {
	r.cancel()
	r.flights.Wait()
}

// LookupAddrs returns the addresses of a host, those of its A records first;
// the slice is the caller's. An address in text form is its own. With no error
// there is at least one; an error is an *Error. Where one of A and AAAA found
// something, a failure of the other does not count.
func (r *Resolver) LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if isAddress(host) || strings.IndexByte(host, ':') >= 0 {
		if addr, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{addr.Unmap()}, nil
		}
	}
	name, ok := hostName(host)
	if !ok {
		return nil, noName("A or AAAA", host)
	}
	if addrs := r.hosts.get().of(name); addrs != nil {
		return slices.Clone(addrs), nil
	}
	first, second := r.begin(question{name, dns.TypeA}), r.begin(question{name, dns.TypeAAAA})
	four, six := r.await(ctx, first), r.await(ctx, second)
	if four.err != nil && six.err != nil {
		return nil, neither(four.err, six.err)
	}
	addrs := make([]netip.Addr, 0, len(four.addrs)+len(six.addrs))
	return append(append(addrs, four.addrs...), six.addrs...), nil
}

// LookupMX returns the mail exchangers of a domain, most preferred first, those
// of equal preference in the order they came in, for the caller to shuffle; the
// slice is the caller's. With no error there is at least one; a null MX is one
// alone. NoData means that the domain's own addresses take its mail (RFC 5321
// 5.1), NXDomain that nothing does.
func (r *Resolver) LookupMX(ctx context.Context, domain string) ([]MX, error) {
	name, ok := hostName(domain)
	if !ok {
		return nil, noName("MX", domain)
	}
	q := question{name, dns.TypeMX}
	if isLocalhost(name) {
		return nil, q.fails(NoData, "it is this machine")
	}
	a := r.await(ctx, r.begin(q))
	if a.err != nil {
		return nil, a.err
	}
	return slices.Clone(a.mx), nil
}

// noName is the answer about what cannot be asked for.
func noName(qtype, name string) *Error {
	return &Error{Kind: NXDomain, Type: qtype, Name: fmt.Sprintf("%.300q", name), Text: "it is not a domain name; not asked"}
}

// pending is a question whose answer is there or on its way.
type pending struct {
	question
	answer *answer
	flight *flight
}

// begin looks a question up in memory, or sends it on its way. It never waits.
func (r *Resolver) begin(q question) pending {
	a, f, lead := r.store.find(q)
	switch {
	case a != nil:
		cacheHits.Inc()
	case f == nil:
		a = &answer{err: q.fails(Temporary, fmt.Sprintf("%d other questions wait already", maxFlights))}
	case lead:
		r.flights.Go(func() { r.fly(q, f) })
	default:
		coalesced.Inc()
	}
	return pending{question: q, answer: a, flight: f}
}

// await returns the answer, or ctx's end as a temporary failure.
func (r *Resolver) await(ctx context.Context, p pending) *answer {
	if p.answer != nil {
		return p.answer
	}
	select {
	case <-p.flight.landed:
		return p.flight.answer
	case <-ctx.Done():
		e := p.fails(Temporary, "gave up waiting for an answer: "+ctx.Err().Error())
		e.Err = ctx.Err()
		return &answer{err: e}
	}
}

// fly answers a question from the wire, when it is its turn.
func (r *Resolver) fly(q question, f *flight) {
	ctx, cancel := context.WithTimeout(r.ctx, lookupTime)
	defer cancel()
	var a *answer
	select {
	case r.turns <- struct{}{}:
		a = r.resolve(ctx, q)
		<-r.turns
	case <-ctx.Done():
		a = &answer{err: q.fails(Temporary, "too many other questions wait for the DNS servers"), ttl: failureTTL}
	}
	queriesTotal[q.qtype][a.kind()].Inc()
	r.store.land(q, f, a)
}
