package lookup

import (
	"fmt"
	"net/netip"
	"strings"
)

// networks is a file whose keys are addresses and networks; the first that has
// the address decides.
type networks struct {
	all       []network
	otherwise *string // data of the key *
}

type network struct {
	prefix netip.Prefix
	data   string
}

func (n networks) find(key string) (string, bool, error) {
	addr, err := netip.ParseAddr(key)
	if err != nil {
		return "", false, fmt.Errorf("%q is not an IP address, which iplsearch looks for", key)
	}
	addr = addr.Unmap().WithZone("")
	for i := range n.all {
		if n.all[i].prefix.Contains(addr) {
			return n.all[i].data, true, nil
		}
	}
	return "", false, nil
}

func (n networks) star() (string, bool) {
	if n.otherwise == nil {
		return "", false
	}
	return *n.otherwise, true
}

func parseNetworks(lines []string) (table, error) {
	var n networks
	for _, r := range parseRecords(lines) {
		if r.key == "*" {
			n.otherwise = &r.data
			continue
		}
		p, err := parseNetwork(r.key)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q is neither an address nor a network (IPv6 stands in quotes)", r.line, r.key)
		}
		n.all = append(n.all, network{p, r.data})
	}
	return n, nil
}

func parseNetwork(key string) (netip.Prefix, error) {
	if strings.Contains(key, "/") {
		return netip.ParsePrefix(key)
	}
	addr, err := netip.ParseAddr(key)
	if err != nil {
		return netip.Prefix{}, err
	}
	return addr.Unmap().Prefix(addr.Unmap().BitLen())
}
