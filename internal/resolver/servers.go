package resolver

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// resting is how long a server that was silent is asked after the others.
const resting = 30 * time.Second

// server is one recursive server.
type server struct {
	addr  string       // "192.0.2.53:53"
	rests atomic.Int64 // nanoseconds since 1970 until which others go first
}

// servers is whom to ask, and how patiently.
type servers struct {
	list    []*server
	timeout time.Duration // for one exchange
	rounds  int           // how often a silent server is asked
}

// inOrder returns the servers as they are to be asked now: as written, those
// that were silent a moment ago at the end.
func (s *servers) inOrder() []*server {
	if len(s.list) == 1 {
		return s.list
	}
	now := time.Now().UnixNano()
	order := make([]*server, 0, len(s.list))
	for _, rest := range []bool{false, true} {
		for _, v := range s.list {
			if (v.rests.Load() > now) == rest {
				order = append(order, v)
			}
		}
	}
	return order
}

func (s *server) silent()   { s.rests.Store(time.Now().Add(resting).UnixNano()) }
func (s *server) answered() { s.rests.Store(0) }

// given makes servers of addresses, with port 53 where none is named.
func given(addrs []string) (*servers, error) {
	s := &servers{}
	for _, text := range addrs {
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			var bare netip.Addr
			if bare, err = netip.ParseAddr(text); err != nil {
				return nil, fmt.Errorf("cannot use DNS server %q: want an address, or an address and a port as in 192.0.2.53:53 or [2001:db8::53]:53", text)
			}
			addr = netip.AddrPortFrom(bare, 53)
		}
		s.list = append(s.list, &server{addr: addr.String()})
	}
	return s, nil
}

// parseResolvConf reads resolv.conf(5). Search lists are not for mail: a domain
// is always meant whole. No server there means the one on this machine.
func parseResolvConf(file io.Reader) (*servers, error) {
	conf, err := dns.ClientConfigFromReader(file)
	if err != nil {
		return nil, err
	}
	s := &servers{timeout: time.Duration(conf.Timeout) * time.Second, rounds: conf.Attempts}
	for _, addr := range conf.Servers {
		if _, err := netip.ParseAddr(addr); err == nil {
			s.list = append(s.list, &server{addr: net.JoinHostPort(addr, conf.Port)})
		}
	}
	s.list = slices.Clip(s.list[:min(len(s.list), 3)]) // as many as resolv.conf(5) allows
	if len(s.list) == 0 {
		s.list = []*server{{addr: "127.0.0.1:53"}}
	}
	return s, nil
}
