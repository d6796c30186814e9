package actors

import (
	"net/netip"
	"sync"

	"mtad/internal/config"
	"mtad/internal/inbound"
)

// door counts who is inside: smtp_accept_max over all listeners,
// smtp_accept_max_per_host for each host, where the hosts of an IPv6 /64 are one.
type door struct {
	mu    sync.Mutex
	all   int
	hosts map[netip.Prefix]int
}

func (d *door) enter(addr netip.Addr, cfg *config.Config) inbound.Refusal {
	key := network(addr)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.all >= cfg.SMTPAcceptMax:
		return inbound.TooManyConnections
	case cfg.SMTPAcceptMaxPerHost > 0 && d.hosts[key] >= cfg.SMTPAcceptMaxPerHost:
		return inbound.TooManyFromHost
	}
	if d.hosts == nil {
		d.hosts = make(map[netip.Prefix]int)
	}
	d.all++
	d.hosts[key]++
	return inbound.Welcome
}

func (d *door) leave(addr netip.Addr) {
	key := network(addr)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.hosts[key]--; d.hosts[key] <= 0 {
		delete(d.hosts, key)
	}
}

// network is what counts as one host: an IPv4 address, an IPv6 /64.
func network(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p
}
