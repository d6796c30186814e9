package route

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"mtad/internal/config"
)

// here is this machine, as mail would find its way back to it.
type here struct {
	name      string // primary_hostname, in lower case
	listeners []netip.AddrPort
	noIPv6    bool
	addrs     func() []netip.Addr // of the interfaces
}

func newHere(cfg *config.Config) here {
	h := here{name: strings.ToLower(cfg.PrimaryHostname), noIPv6: cfg.DisableIPv6, addrs: interfaceAddrs()}
	for _, l := range cfg.Listen {
		if at, err := l.AddrPort(); err == nil { // config sees to it
			h.listeners = append(h.listeners, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
		}
	}
	return h
}

// has reports whether an address is this machine's: whatever listens there, it
// is no other mail server.
func (h *here) has(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsUnspecified() || slices.Contains(h.addrs(), addr)
}

// listens reports whether a connection there would come in at a listener of
// this daemon.
func (h *here) listens(at netip.AddrPort) bool {
	return slices.ContainsFunc(h.listeners, func(l netip.AddrPort) bool {
		return l.Port() == at.Port() && (l.Addr() == at.Addr() || l.Addr().IsUnspecified() && h.has(at.Addr()))
	})
}

// interfaceAge is how long the addresses of the interfaces are believed.
const interfaceAge = 10 * time.Second

func interfaceAddrs() func() []netip.Addr {
	var mu sync.Mutex
	var addrs []netip.Addr
	var until time.Time
	return func() []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until) {
			return addrs
		}
		nets, err := net.InterfaceAddrs()
		if err != nil {
			return addrs
		}
		addrs, until = nil, time.Now().Add(interfaceAge)
		for _, n := range nets {
			if p, err := netip.ParsePrefix(n.String()); err == nil {
				addrs = append(addrs, p.Addr().Unmap())
			}
		}
		return addrs
	}
}

// reachable reports whether this machine has a route to a host. Connecting a UDP
// socket sends nothing.
func reachable(h Host) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(h.Addr))
	if err == nil {
		conn.Close()
		return true
	}
	for _, none := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EAFNOSUPPORT, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, none) {
			return false
		}
	}
	return true
}
