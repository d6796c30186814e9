package resolver

import (
	"bufio"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// hostsTable is /etc/hosts both ways. What it says goes before the DNS, as
// "hosts: files dns" has it.
type hostsTable struct {
	addrs map[string][]netip.Addr
	names map[netip.Addr][]string
}

// parseHosts reads hosts(5): an address and its names a line. Lines that are
// not that are passed over, as every libc does. localhost is always there.
func parseHosts(file io.Reader) (*hostsTable, error) {
	t := &hostsTable{addrs: map[string][]netip.Addr{}, names: map[netip.Addr][]string{}}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if addr, err := netip.ParseAddr(fields[0]); err == nil {
			t.add(addr.Unmap().WithZone(""), fields[1:]...)
		}
	}
	t.add(netip.AddrFrom4([4]byte{127, 0, 0, 1}), "localhost")
	t.add(netip.IPv6Loopback(), "localhost")
	return t, lines.Err()
}

func (t *hostsTable) add(addr netip.Addr, names ...string) {
	for _, name := range names {
		name, ok := hostName(name)
		if !ok || slices.Contains(t.addrs[name], addr) {
			continue
		}
		t.addrs[name] = append(t.addrs[name], addr)
		t.names[addr] = append(t.names[addr], name)
	}
}

// of returns the addresses of a name, the table's own slice; nil: not here.
func (t *hostsTable) of(name string) []netip.Addr {
	if isLocalhost(name) {
		name = "localhost"
	}
	return t.addrs[name]
}
