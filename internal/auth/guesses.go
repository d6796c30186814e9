package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Guesses counts failed authentications across sessions by host (IPv6 by /64)
// and by user. Who has used up the free ones waits, twice as long after each
// more. It keeps a bounded number of both, and is safe for concurrent use.
type Guesses struct {
	seed  maphash.Seed
	mu    sync.Mutex
	hosts *generations[netip.Prefix, tally]
	users *generations[uint64, tally] // by hash: the names are strangers' choice
}

// tally is what is known of one host or user.
type tally struct {
	failures int
	last     time.Time       // of the failures
	good     [4]netip.Prefix // of a user: where it was right lately; they do not wait for the faults of others
}

// limit is how patient the count is.
type limit struct {
	free int           // failures without a wait
	max  time.Duration // the longest wait
}

// A user's wait is short: a stranger's guesses must not lock its owner out.
var (
	hostLimit = limit{free: 5, max: 15 * time.Minute}
	userLimit = limit{free: 20, max: time.Minute}
)

const (
	forgetAfter = time.Hour // without a failure
	maxTallies  = 1 << 16   // hosts, and users
	maxDelay    = 5 * time.Second
)

// NewGuesses returns an empty count.
func NewGuesses() *Guesses {
	return &Guesses{
		seed:  maphash.MakeSeed(),
		hosts: newGenerations[netip.Prefix, tally](maxTallies),
		users: newGenerations[uint64, tally](maxTallies),
	}
}

// Wait is how long host, or user from it, must not try again; 0: it may. user
// is "" while it is not known.
func (g *Guesses) Wait(now time.Time, host netip.Addr, user string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := network(host)
	t, _ := g.hosts.get(h)
	wait := t.wait(now, hostLimit)
	if user != "" {
		if t, _ := g.users.get(g.key(user)); !t.isGood(h) {
			wait = max(wait, t.wait(now, userLimit))
		}
	}
	return wait
}

// Failed counts a failure and returns how long the refusal is to be held back.
func (g *Guesses) Failed(now time.Time, host netip.Addr, user string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := network(host)
	t, _ := g.hosts.get(h)
	t.fail(now)
	g.hosts.put(h, t)
	if user != "" {
		u, _ := g.users.get(g.key(user))
		u.fail(now)
		g.users.put(g.key(user), u)
	}
	return min(time.Duration(t.failures)*time.Second, maxDelay)
}

// Succeeded forgets the failures of host and user.
func (g *Guesses) Succeeded(now time.Time, host netip.Addr, user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := network(host)
	g.hosts.remove(h)
	u, _ := g.users.get(g.key(user))
	if !u.isGood(h) {
		copy(u.good[1:], u.good[:])
		u.good[0] = h
	}
	u.failures = 0
	g.users.put(g.key(user), u)
}

func (g *Guesses) key(user string) uint64 { return maphash.String(g.seed, user) }

// network is what counts as one host: an IPv6 one has a /64 of addresses.
func network(host netip.Addr) netip.Prefix {
	host = host.Unmap()
	bits := 32
	if host.Is6() {
		bits = 64
	}
	p, _ := host.Prefix(bits)
	return p
}

func (t *tally) fail(now time.Time) {
	if now.Sub(t.last) > forgetAfter {
		t.failures = 0
	}
	t.failures++
	t.last = now
}

func (t *tally) wait(now time.Time, l limit) time.Duration {
	over := t.failures - l.free
	if over < 0 || now.Sub(t.last) > forgetAfter {
		return 0
	}
	wait := min(time.Second<<min(over, 20), l.max)
	return max(0, t.last.Add(wait).Sub(now))
}

func (t *tally) isGood(h netip.Prefix) bool {
	for _, g := range t.good {
		if g == h && h.IsValid() {
			return true
		}
	}
	return false
}
