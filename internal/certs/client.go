package certs

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Client are the options of an smtp transport, expanded for a host. Equal values
// share a configuration and the sessions to resume.
type Client struct {
	Certificate        string // a file; "": none is given to a server that asks
	PrivateKey         string // "": it is in the same file
	VerifyCertificates string // a file or folder; "": the server is not verified
	Ciphers            string // "": the default
	Groups             string // "": the engine's default
	VerifyName         bool   // the host is in tls_verify_cert_hostnames
}

// Host is a server to connect to.
type Host struct {
	Name string // or an address, where the host is given as one
	Addr netip.AddrPort
}

// Client returns the configuration for a handshake as client with that host.
// Where VerifyCertificates is set, a handshake that succeeds has verified the
// server. An error means that TLS cannot be had with these options.
func (s *Store) Client(o Client, host Host) (*tls.Config, error) {
	s.mu.RLock()
	p := s.clients[o]
	s.mu.RUnlock()
	if p == nil {
		p = keep(s, s.clients, o, func() *policy {
			return s.policyFor(o.Certificate, o.PrivateKey, o.VerifyCertificates, o.build)
		})
	}
	b := p.get(time.Now())
	if b.err != nil {
		return nil, b.err
	}
	return o.forHost(b, host, s.sessions), nil
}

// CheckClient is CheckServer for the options of a transport.
func (s *Store) CheckClient(o Client) (warnings []string, err error) {
	var faults []error
	if o.Certificate != "" {
		pair, err := s.checkPair("tls_certificate", o.Certificate, o.PrivateKey)
		if err == nil {
			warnings = append(warnings, pair.Warnings...)
		}
		faults = append(faults, err)
	}
	more, err := s.checkRest(o.VerifyCertificates, o.Ciphers, o.Groups)
	return append(warnings, more...), errors.Join(append(faults, err)...)
}

// build makes what all hosts share.
func (o Client) build(own *Pair, trust *Trust) (*tls.Config, error) {
	cfg := &tls.Config{
		InsecureSkipVerify:          true, // by crypto/tls: VerifyConnection does it, on resumption too
		DynamicRecordSizingDisabled: true,
	}
	ciphers, err := parseOptions(o.Ciphers, o.Groups, cfg)
	if err != nil {
		return nil, err
	}
	if own != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &own.Certificate, nil // whatever authorities the server names
		}
	}
	cfg.VerifyConnection = ciphers.check
	return cfg, nil
}

// forHost is what one host needs beside: its name, and its sessions, which are
// those of no other host, address, port, set of options or version of the files.
func (o Client) forHost(b *built, host Host, sessions tls.ClientSessionCache) *tls.Config {
	cfg := b.config.Clone()
	cfg.ServerName = strings.TrimSuffix(host.Name, ".")
	cfg.ClientSessionCache = sessionsOf{sessions, strconv.FormatUint(b.number, 36) + " " + host.Addr.String() + " " + cfg.ServerName}
	if trust := b.trusts; trust != nil {
		name, check := "", cfg.VerifyConnection
		if o.VerifyName {
			name = cmp.Or(cfg.ServerName, host.Addr.Addr().String())
		}
		cfg.VerifyConnection = func(cs tls.ConnectionState) error {
			if err := check(cs); err != nil {
				return err
			}
			return trust.Verify(cs.PeerCertificates, OfServer, name, time.Now())
		}
	}
	return cfg
}

// sessionsOf is the part of the sessions that belongs to one key.
type sessionsOf struct {
	all tls.ClientSessionCache
	key string
}

func (s sessionsOf) Get(string) (*tls.ClientSessionState, bool)  { return s.all.Get(s.key) }
func (s sessionsOf) Put(_ string, state *tls.ClientSessionState) { s.all.Put(s.key, state) }
