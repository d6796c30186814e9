package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/cpu"
)

// Server are the options for a client that connects, expanded for it and, where
// they are for hosts in tls_verify_hosts alone, left empty for all others. Equal
// values share a configuration.
type Server struct {
	Certificate        string // a file, or "self-signed"
	PrivateKey         string // "": it is in the same file
	VerifyCertificates string // a file or folder; "": no certificate is asked for
	Ciphers            string // "": the default
	Groups             string // "": the engine's default
}

// Server returns the configuration for a handshake as server. Where
// VerifyCertificates is set, a handshake that succeeds has verified the client.
// An error means that TLS cannot be had: 454, and the reason for the log.
func (s *Store) Server(o Server) (*tls.Config, error) {
	s.mu.RLock()
	p := s.servers[o]
	s.mu.RUnlock()
	if p == nil {
		p = keep(s, s.servers, o, func() *policy {
			return s.policyFor(o.Certificate, o.PrivateKey, o.VerifyCertificates, o.build)
		})
	}
	b := p.get(time.Now())
	return b.config, b.err
}

// CheckServer is for `mtad check` and start: all errors of these options, an
// expired certificate among them, and what works but should not stay.
func (s *Store) CheckServer(o Server) (warnings []string, err error) {
	var faults []error
	var pair *Pair
	if o.Certificate != "" && o.Certificate != selfSigned {
		pair, err = s.checkPair("tls_certificate", o.Certificate, o.PrivateKey)
		faults = append(faults, err)
	}
	more, err := s.checkRest(o.VerifyCertificates, o.Ciphers, o.Groups)
	if pair != nil {
		warnings = append(warnings, pair.Warnings...)
	}
	if c, err := ParseCiphers(o.Ciphers); err == nil && pair != nil && !c.serve(pair) {
		warnings = append(warnings, "tls_verify_ciphers: no cipher of the list goes with the kind of key in "+pair.File+": no handshake can succeed")
	} else if err == nil && o.Certificate == selfSigned && !c.serve(nil) {
		warnings = append(warnings, "tls_verify_ciphers: no cipher of the list goes with the self-signed certificate, whose key is ECDSA: no handshake can succeed")
	}
	return append(warnings, more...), errors.Join(append(faults, err)...)
}

func (s *Store) checkPair(option, cert, key string) (*Pair, error) {
	if key == "" {
		key = cert
	}
	p, err := LoadPair(s.path(cert), s.path(key))
	if err == nil {
		err = p.CheckTime(time.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return p, nil
}

func (s *Store) checkRest(trust, ciphers, groups string) (warnings []string, err error) {
	var faults []error
	if trust != "" {
		t, err := LoadTrust(s.path(trust))
		if err == nil {
			for _, w := range t.Warnings {
				warnings = append(warnings, "tls_verify_certificates: "+w)
			}
			err = t.CheckTime(time.Now())
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("tls_verify_certificates: %w", err))
		}
	}
	if _, err := ParseGroups(groups); err != nil {
		faults = append(faults, fmt.Errorf("tls_groups: %w", err))
	}
	c, err := parseOptions(ciphers, "", new(tls.Config))
	if err != nil {
		faults = append(faults, err)
	} else if c != nil {
		for _, w := range c.Warnings {
			warnings = append(warnings, "tls_verify_ciphers: "+w)
		}
	}
	return warnings, errors.Join(faults...)
}

// parseOptions puts ciphers and groups into a configuration.
func parseOptions(ciphers, groups string, cfg *tls.Config) (*Ciphers, error) {
	var c *Ciphers
	var err error
	if ciphers != "" {
		if c, err = ParseCiphers(ciphers); err != nil {
			return nil, fmt.Errorf("tls_verify_ciphers: %w", err)
		}
	}
	if cfg.CurvePreferences, err = ParseGroups(groups); err != nil {
		return nil, fmt.Errorf("tls_groups: %w", err)
	}
	c.configure(cfg)
	return c, nil
}

// build makes the configuration. Its ticket keys are its own: a ticket is good
// only as long as certificate, collection and options stay what they are.
func (o Server) build(own *Pair, trust *Trust) (*tls.Config, error) {
	if own == nil {
		return nil, ErrNoCertificate
	}
	cfg := &tls.Config{
		Certificates:                []tls.Certificate{own.Certificate},
		NextProtos:                  []string{"smtp"}, // a client that means something else is refused (ALPACA); none is asked to say so
		DynamicRecordSizingDisabled: true,
	}
	ciphers, err := parseOptions(o.Ciphers, o.Groups, cfg)
	if err != nil {
		return nil, err
	}
	if trust != nil {
		// Any, since crypto/tls knows no "itself in the collection". No names of
		// authorities are sent: a client would keep back a certificate that is.
		cfg.ClientAuth = tls.RequireAnyClientCert
	}
	if trust != nil || ciphers != nil {
		cfg.VerifyConnection = func(cs tls.ConnectionState) error { // on resumption too
			if err := ciphers.check(cs); err != nil || trust == nil {
				return err
			}
			return trust.Verify(cs.PeerCertificates, OfClient, "", time.Now())
		}
	}
	if ciphers != nil && ciphers.tls13 > 0 && ciphers.tls13 < len(suites13) {
		cfg.GetConfigForClient = ciphers.chooseVersion(cfg)
	}
	return cfg, nil
}

// chooseVersion takes TLS 1.3 where crypto/tls would choose a suite of the list,
// else TLS 1.2.
func (c *Ciphers) chooseVersion(cfg *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	twelve := cfg.Clone()
	twelve.MaxVersion = tls.VersionTLS12
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return nil, nil
		}
		suite := choice13(hello.CipherSuites)
		if suite == 0 || c.Allows(suite) {
			return nil, nil
		}
		if len(c.tls12) == 0 || !slices.Contains(hello.SupportedVersions, tls.VersionTLS12) {
			return nil, refusal(NoCommonCipher, "no common cipher: in TLS 1.3 it would be %s, which is not in tls_verify_ciphers", namesOf([]uint16{suite})[0])
		}
		return twelve, nil
	}
}

// choice13 is the suite that crypto/tls takes of a client's: AES where both sides
// have it in hardware, which of a client shows in what it names first. 0: none.
func choice13(offers []uint16) uint16 {
	order := []uint16{tls.TLS_CHACHA20_POLY1305_SHA256, tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384}
	if hasAES && prefersAES(offers) {
		order = suites13
	}
	for _, s := range order {
		if slices.Contains(offers, s) {
			return s
		}
	}
	return 0
}

var hasAES = cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3 ||
	cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
	cpu.S390X.HasAES && cpu.S390X.HasAESCTR && cpu.S390X.HasGHASH

var aesGCM = []uint16{
	tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
}

// prefersAES looks at the first suite that crypto/tls knows.
func prefersAES(offers []uint16) bool {
	for _, s := range offers {
		if tls.CipherSuiteName(s)[0] != '0' {
			return slices.Contains(aesGCM, s)
		}
	}
	return false
}
