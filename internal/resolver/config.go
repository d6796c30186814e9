package resolver

import (
	"cmp"
	"context"
	"io"
	"net"
	"time"
)

// Config is how a resolver works. The zero value is a good one: the servers of
// /etc/resolv.conf and the names of /etc/hosts, both read again when they change.
type Config struct {
	Servers    []string      // "192.0.2.53:53" or without a port; none: as resolv.conf says
	Timeout    time.Duration // for one exchange; 0: as resolv.conf says, or 5 s
	Attempts   int           // how often a silent server is asked; 0: as resolv.conf says, or 2
	ResolvConf string        // the file; "": /etc/resolv.conf
	HostsFile  string        // the file; "": /etc/hosts

	MaxConcurrent  int           // questions on the wire at once; 0: 128
	CacheBytes     int           // memory for answers, about; 0: 16 MB
	MinTTL         time.Duration // answers are kept at least so long; 0: 5 s
	MaxTTL         time.Duration // and at most so long; 0: 1 h
	MaxNegativeTTL time.Duration // that there is nothing is kept at most so long; 0: 5 min

	// Dial opens a socket to a server, network "udp" or "tcp"; a datagram is one
	// Write. nil: the system's.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

const (
	// failureTTL is how long a temporary failure is kept, that a dead server is
	// not asked anew for each message (RFC 9520 3.2: at least a second).
	failureTTL = 5 * time.Second
	// lookupTime is the longest that a question may take, waiting for its turn
	// and following aliases included.
	lookupTime = 30 * time.Second
)

// New makes a resolver; it asks nothing yet. The error is about a server's
// address. Close ends it.
func New(c Config) (*Resolver, error) {
	r := &Resolver{
		hosts:          watch(cmp.Or(c.HostsFile, "/etc/hosts"), parseHosts),
		dial:           c.Dial,
		minTTL:         cmp.Or(c.MinTTL, 5*time.Second),
		maxTTL:         cmp.Or(c.MaxTTL, time.Hour),
		maxNegativeTTL: cmp.Or(c.MaxNegativeTTL, 5*time.Minute),
		store:          newStore(cmp.Or(c.CacheBytes, 16<<20)),
		turns:          make(chan struct{}, cmp.Or(c.MaxConcurrent, 128)),
	}
	if r.dial == nil {
		r.dial = new(net.Dialer).DialContext
	}
	if err := r.useServers(c); err != nil {
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// useServers settles where the servers come from.
func (r *Resolver) useServers(c Config) error {
	if len(c.Servers) > 0 {
		s, err := given(c.Servers)
		if err != nil {
			return err
		}
		s.timeout, s.rounds = cmp.Or(c.Timeout, 5*time.Second), cmp.Or(c.Attempts, 2)
		r.servers = func() *servers { return s }
		return nil
	}
	conf := watch(cmp.Or(c.ResolvConf, "/etc/resolv.conf"), func(file io.Reader) (*servers, error) {
		s, err := parseResolvConf(file)
		if err == nil {
			s.timeout, s.rounds = cmp.Or(c.Timeout, s.timeout), cmp.Or(c.Attempts, s.rounds)
		}
		return s, err
	})
	r.servers = conf.get
	return nil
}
