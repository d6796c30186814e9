package resolver

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"github.com/miekg/dns"
)

// ReverseNames returns the names of an address that are confirmed forwards: a
// PTR record gives the name, and the name's own addresses include the address.
// Anybody can write any name into a PTR record; only the name's owner can
// confirm it (OR-31). Names are in lower case without a dot at the end, and few;
// the slice is the caller's.
//
// None, without error, means that there is no such name. The error, an *Error,
// means that it cannot be known now. Once a name is confirmed, it does not count
// that another one could not be looked into.
func (r *Resolver) ReverseNames(ctx context.Context, addr netip.Addr) ([]string, error) {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return nil, nil
	}
	if names := r.hosts.get().names[addr]; names != nil {
		return slices.Clone(names), nil
	}
	a := r.await(ctx, r.begin(question{reverseName(addr), dns.TypePTR}))
	switch a.kind() {
	case Found:
		return r.confirmed(ctx, addr, a.names)
	case Temporary:
		return nil, a.err
	default:
		return nil, nil
	}
}

// confirmed returns those of the names that have the address.
func (r *Resolver) confirmed(ctx context.Context, addr netip.Addr, names []string) ([]string, error) {
	var room [maxPTR]pending
	lookups := room[:len(names)]
	for i, name := range names {
		lookups[i] = r.forward(name, addr)
	}
	var yes []string
	var failed error
	for i, p := range lookups {
		switch a := r.await(ctx, p); {
		case slices.Contains(a.addrs, addr):
			yes = append(yes, names[i])
		case a.kind() == Temporary && failed == nil:
			failed = a.err
		}
	}
	if yes != nil {
		return yes, nil
	}
	return nil, failed
}

// forward begins the look-up of a name's addresses of addr's family. What
// /etc/hosts says of the name holds here too.
func (r *Resolver) forward(name string, addr netip.Addr) pending {
	q := question{name, dns.TypeAAAA}
	if addr.Is4() {
		q.qtype = dns.TypeA
	}
	if addrs := r.hosts.get().of(name); addrs != nil {
		return pending{question: q, answer: &answer{addrs: addrs}}
	}
	return r.begin(q)
}

// reverseName is the name that the PTR records of an address are at: RFC 1035
// 3.5, RFC 3596 2.5.
func reverseName(addr netip.Addr) string {
	name := make([]byte, 0, 72)
	octets := addr.AsSlice()
	for _, octet := range slices.Backward(octets) {
		if len(octets) == 4 {
			name = append(strconv.AppendUint(name, uint64(octet), 10), '.')
			continue
		}
		name = append(name, hexDigits[octet&0xf], '.', hexDigits[octet>>4], '.')
	}
	if len(octets) == 4 {
		return string(append(name, "in-addr.arpa"...))
	}
	return string(append(name, "ip6.arpa"...))
}

const hexDigits = "0123456789abcdef"
