package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

const (
	maxKept     = 1024 // configurations, pairs and collections kept; what an expansion makes more is made anew
	maxSessions = 2048 // TLS sessions of servers kept to be resumed
)

// Options say where a Store looks.
type Options struct {
	Dir      string // relative file names are taken from here
	SpoolDir string // where the self-signed certificate is kept
	Hostname string // whom it is for

	// Warn is told, at each new reading of a file that serves, what serves badly
	// in it or was left out. nil: nobody is.
	Warn func(text string)
}

// Store keeps key pairs, collections and configurations in memory, and their
// files under watch. One serves both sides of the daemon; it is safe for
// concurrent use, and the configurations it returns are shared: not to be changed.
type Store struct {
	// Set at birth.
	options  Options
	sessions tls.ClientSessionCache

	mu      sync.RWMutex
	pairs   map[pairFiles]*watched[*Pair]
	trusts  map[string]*watched[*Trust]
	servers map[Server]*policy
	clients map[Client]*policy
}

type pairFiles struct{ cert, key string }

// selfSigned in place of a file name: the certificate that mtad makes itself.
const selfSigned = "self-signed"

// ErrNoCertificate says that tls_certificate is unset, or its expansion was
// forced to fail: a server without one cannot start TLS.
var ErrNoCertificate = errors.New("there is no tls_certificate for this host: it is not set, or its expansion was forced to fail")

// NewStore returns an empty Store; nothing is read before it is asked for.
func NewStore(o Options) *Store {
	return &Store{
		options:  o,
		sessions: tls.NewLRUClientSessionCache(maxSessions),
		pairs:    make(map[pairFiles]*watched[*Pair]),
		trusts:   make(map[string]*watched[*Trust]),
		servers:  make(map[Server]*policy),
		clients:  make(map[Client]*policy),
	}
}

// policy is what equal options make of the files: one tls.Config until a file changes.
type policy struct {
	// Set at birth. nil: that option is unset.
	pair  *watched[*Pair]
	trust *watched[*Trust]
	build func(*Pair, *Trust) (*tls.Config, error)

	building sync.Mutex
	now      atomic.Pointer[built]
}

// built is a configuration with the versions of the files it was made from.
type built struct {
	pair   *reading[*Pair]
	trust  *reading[*Trust]
	trusts *Trust
	config *tls.Config
	err    error
	number uint64 // tells apart what was built
}

var builds atomic.Uint64

// get returns the configuration for what the files say now.
func (p *policy) get(now time.Time) *built {
	var pair *reading[*Pair]
	var trust *reading[*Trust]
	if p.pair != nil {
		pair = p.pair.get(now)
	}
	if p.trust != nil {
		trust = p.trust.get(now)
	}
	if b := p.now.Load(); b != nil && b.pair == pair && b.trust == trust {
		return b
	}
	p.building.Lock()
	defer p.building.Unlock()
	if b := p.now.Load(); b != nil && b.pair == pair && b.trust == trust {
		return b
	}
	b := p.make(pair, trust)
	p.now.Store(b)
	return b
}

func (p *policy) make(pair *reading[*Pair], trust *reading[*Trust]) *built {
	b := &built{pair: pair, trust: trust, number: builds.Add(1)}
	var own *Pair
	if pair != nil {
		if pair.err != nil {
			b.err = fmt.Errorf("tls_certificate: %w", pair.err)
			return b
		}
		own = pair.value
	}
	if trust != nil {
		if trust.err != nil {
			b.err = fmt.Errorf("tls_verify_certificates: %w", trust.err)
			return b
		}
		b.trusts = trust.value
	}
	b.config, b.err = p.build(own, b.trusts)
	return b
}

// policyFor watches the files of a policy.
func (s *Store) policyFor(cert, key, trust string, build func(*Pair, *Trust) (*tls.Config, error)) *policy {
	p := &policy{build: build}
	if cert != "" {
		p.pair = s.pair(cert, key)
	}
	if trust != "" {
		p.trust = s.trust(trust)
	}
	return p
}

func (s *Store) pair(cert, key string) *watched[*Pair] {
	if cert == selfSigned {
		return keep(s, s.pairs, pairFiles{selfSigned, selfSigned}, func() *watched[*Pair] {
			return watchSelfSigned(s.options.SpoolDir, s.options.Hostname)
		})
	}
	if key == "" {
		key = cert
	}
	f := pairFiles{s.path(cert), s.path(key)}
	return keep(s, s.pairs, f, func() *watched[*Pair] {
		return watch(func() (string, error) { return stampsOf(f.cert, f.key) },
			func() (*Pair, error) {
				p, err := LoadPair(f.cert, f.key)
				if err == nil {
					s.warn("tls_certificate", p.Warnings)
				}
				return p, err
			})
	})
}

func (s *Store) trust(name string) *watched[*Trust] {
	path := s.path(name)
	return keep(s, s.trusts, path, func() *watched[*Trust] {
		return watch(func() (string, error) { return trustVersion(path) },
			func() (*Trust, error) {
				t, err := LoadTrust(path)
				if err == nil {
					s.warn("tls_verify_certificates", t.Warnings)
				}
				return t, err
			})
	})
}

func (s *Store) warn(option string, warnings []string) {
	for _, w := range warnings {
		if s.options.Warn != nil {
			s.options.Warn(option + ": " + w)
		}
	}
}

func (s *Store) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(s.options.Dir, name)
}

// keep returns what is kept under a key; what is not is made, without the lock:
// it can wait for a disk. A full map gives up one of its entries.
func keep[K comparable, V any](s *Store, m map[K]V, key K, create func() V) V {
	s.mu.RLock()
	v, ok := m[key]
	s.mu.RUnlock()
	if ok {
		return v
	}
	v = create()
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := m[key]; ok {
		return first
	}
	for other := range m {
		if len(m) < maxKept {
			break
		}
		delete(m, other)
	}
	m[key] = v
	return v
}

// WriteMetrics writes a gauge for each certificate of ours that is in use, with
// the seconds until it expires, in Prometheus' format. The label is the file's
// name without its folder (THREATS AM-04); of those that share one, the soonest counts.
func (s *Store) WriteMetrics(w io.Writer) {
	soonest := make(map[string]float64)
	s.mu.RLock()
	for _, p := range s.pairs {
		if r := p.now.Load(); r.err == nil {
			name, left := filepath.Base(r.value.File), time.Until(r.value.Certificate.Leaf.NotAfter).Seconds()
			if least, ok := soonest[name]; !ok || left < least {
				soonest[name] = left
			}
		}
	}
	s.mu.RUnlock()
	metrics.WriteMetadataIfNeeded(w, "mtad_tls_certificate_expires_seconds", "gauge")
	for file, seconds := range soonest {
		metrics.WriteGaugeFloat64(w, fmt.Sprintf("mtad_tls_certificate_expires_seconds{file=%q}", file), seconds)
	}
}
