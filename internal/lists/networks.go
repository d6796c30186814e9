package lists

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
)

// networks is a run of addresses and networks. Few are compared one by one;
// many become a prefix table. In a table the narrowest network is the one that
// decided.
type networks struct {
	all   []network
	table *bart.Table[string] // nil while all is short
}

type network struct {
	prefix netip.Prefix
	text   string
}

// tableFrom is the run length from which a prefix table is faster than looking
// at each (BenchmarkNetworks).
const tableFrom = 8

func (n *networks) match(h Host) (Answer, string) {
	if n.table != nil {
		item, ok := n.table.Lookup(h.Addr)
		return answer(ok), item
	}
	for i := range n.all {
		if n.all[i].prefix.Contains(h.Addr) {
			return Yes, n.all[i].text
		}
	}
	return No, ""
}

func (n *networks) absorb(m matcher[Host]) bool {
	other, ok := m.(*networks)
	if !ok {
		return false
	}
	n.all = append(n.all, other.all...)
	if len(n.all) < tableFrom {
		return true
	}
	fresh := other.all
	if n.table == nil {
		n.table, fresh = new(bart.Table[string]), n.all
	}
	for _, o := range fresh {
		if _, twice := n.table.Get(o.prefix); !twice {
			n.table.Insert(o.prefix, o.text)
		}
	}
	return true
}

func (n *networks) label(item string) { n.all[0].text = item }

// parseNetwork returns nil, nil where the item is neither an address nor a
// network, nor meant as one.
func parseNetwork(item string) (*networks, error) {
	addr, bits, slash := strings.Cut(item, "/")
	if !looksNumeric(addr) {
		return nil, nil
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, addressAdvice(item, addr)
	}
	if a.Zone() != "" {
		return nil, fmt.Errorf("an address in a list has no zone: %s", a.WithZone(""))
	}
	a = a.Unmap()
	n := a.BitLen()
	if slash {
		n, err = strconv.Atoi(bits)
		if err != nil || n < 0 || n > a.BitLen() {
			return nil, fmt.Errorf("the prefix length of an %s network is 0 to %d: %s/%d", family(a), a.BitLen(), a, a.BitLen())
		}
	}
	return &networks{all: []network{{netip.PrefixFrom(a, n).Masked(), item}}}, nil
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// looksNumeric reports whether s is meant as an address: a colon or a bracket,
// or nothing but digits and dots.
func looksNumeric(s string) bool {
	if s == "" {
		return false
	}
	return strings.ContainsAny(s, ":[]") || strings.Trim(s, "0123456789.") == ""
}

// addressAdvice says why addr is no address, and what would be right.
func addressAdvice(item, addr string) error {
	if strings.ContainsAny(addr, "[]") {
		bare := strings.Trim(addr, "[]")
		if _, err := netip.ParseAddr(bare); err == nil {
			return fmt.Errorf("an address in a list stands without brackets: %s", bare)
		}
		return fmt.Errorf("neither an address nor a name; an address is written 192.0.2.1 or 2001:db8::1")
	}
	if !strings.Contains(addr, ":") {
		for _, octet := range strings.Split(addr, ".") {
			if n, err := strconv.Atoi(octet); err == nil && n > 255 {
				return fmt.Errorf("not an IPv4 address: %d is over 255", n)
			}
		}
		return fmt.Errorf("not an IPv4 address, which has four numbers: 192.0.2.1; a network is written 192.0.2.0/24")
	}
	return fmt.Errorf("not an IPv6 address; in a list string each of its colons is doubled, or the list begins with <; and has ; between its items")
}

// localHost is @[]: any address of this host.
type localHost struct{ addresses func() []netip.Addr }

func (m localHost) match(h Host) (Answer, string) {
	for _, a := range m.addresses() {
		if a == h.Addr {
			return Yes, ""
		}
	}
	return No, ""
}

// interfaces remembers the addresses of this machine's interfaces for a while:
// asking the kernel costs some 50 µs.
var interfaces struct {
	until atomic.Int64 // Unix nanoseconds
	addrs atomic.Pointer[[]netip.Addr]
}

func interfaceAddrs() []netip.Addr {
	now := time.Now().UnixNano()
	if have := interfaces.addrs.Load(); have != nil && now < interfaces.until.Load() {
		return *have
	}
	var addrs []netip.Addr
	nets, _ := net.InterfaceAddrs() // on error there are none, which matches nothing
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			addrs = append(addrs, p.Addr().Unmap().WithZone(""))
		}
	}
	interfaces.addrs.Store(&addrs)
	interfaces.until.Store(now + int64(10*time.Second))
	return addrs
}
