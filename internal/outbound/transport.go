package outbound

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"runtime"
	"time"

	"mtad/internal/auth"
	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/expand"
	"mtad/internal/lists"
)

// Transport is a [transport.NAME] made ready. What depends on the host is worked
// out each time one is spoken to; where nothing does, all share one Settings.
type Transport struct {
	Config *config.Transport

	helo    string // primary_hostname: what helo_data is where it is unset
	version string
	certs   *certs.Store
	base    Settings
	shared  *Settings // nil: something depends on the host

	auth           *auth.Client
	authenticators []config.Authenticator
}

// Transports makes those of a configuration ready. They keep the store.
func Transports(cfg *config.Config, version string, store *certs.Store) map[string]*Transport {
	all := make(map[string]*Transport, len(cfg.Transports))
	for name, t := range cfg.Transports {
		all[name] = newTransport(t, cfg, version, store)
	}
	return all
}

func newTransport(cfg *config.Transport, all *config.Config, version string, store *certs.Store) *Transport {
	t := &Transport{Config: cfg, helo: all.PrimaryHostname, version: version, certs: store, authenticators: all.Authenticators}
	t.auth = &auth.Client{Floor: cfg.AuthMinimumMechanism, Costs: auth.NewCosts(max(1, runtime.GOMAXPROCS(0)/2), maxDeriving, derivePatience)}
	t.base = Settings{
		Transport:      cfg.Name,
		LMTP:           cfg.Protocol == "lmtp",
		MaxRcpt:        cfg.MaxRcpt,
		ConnectTimeout: cfg.ConnectTimeout,
		CommandTimeout: cfg.CommandTimeout,
		DataTimeout:    cfg.DataTimeout,
		FinalTimeout:   cfg.FinalTimeout,
		HandoffTimeout: cfg.HandoffTimeout,
	}
	t.base.TLS.TryClear = cfg.TLSTempfailTryclear
	t.base.TLS.Client = t.client
	if cfg.HostsAvoidTLS == nil && cfg.HostsRequireTLS == nil && cfg.HostsTryAuth == nil && cfg.HostsRequireAuth == nil && fixed(cfg.HeloData) && fixed(cfg.Interface) {
		t.shared, _ = t.evaluate(Target{})
	}
	return t
}

// Keys of SCRAM are derived from a secret once, in some milliseconds: half of the
// processors are for mail.
const (
	maxDeriving    = 1000
	derivePatience = time.Minute
)

// fixed reports a string whose value is the same for every host and at any time.
func fixed(s *expand.String) bool {
	if s == nil || s.Source() == "$primary_hostname" {
		return true
	}
	_, constant := s.Constant()
	return constant
}

// Settings is what the transport asks of a session with that host, now.
func (t *Transport) Settings(host Target) (*Settings, *Fault) {
	if t.shared != nil {
		return t.shared, nil
	}
	return t.evaluate(host)
}

func (t *Transport) evaluate(host Target) (*Settings, *Fault) {
	s := t.base
	var err, err2 error
	vars := hostVars{t.helo, t.version, host}
	s.Helo, err = value("helo_data", t.Config.HeloData, vars)
	s.Helo = cmp.Or(s.Helo, t.helo)
	s.Interface, err2 = value("interface", t.Config.Interface, vars)
	if err := errors.Join(err, err2); err != nil {
		return nil, Unready(&host, err)
	}
	who := listed(host)
	s.TLS.Avoid = matches(t.Config.HostsAvoidTLS, who, lists.Yes)
	s.TLS.Require = matches(t.Config.HostsRequireTLS, who, lists.Yes, lists.Unknown)
	s.Auth = t.authOf(who)
	return &s, nil
}

// listed is a host as lists know it.
func listed(host Target) lists.Host {
	h := lists.Host{Addr: host.Addr.Addr()}
	if host.Name != host.IP {
		h.Name = host.Name
	}
	return h
}

// matches returns the item by which a host is in a list, "" where it is not. What
// cannot be known now counts as a match where Unknown is among the answers: the
// stricter side is the caller's to name (SPEC 3).
func matches(l *lists.HostList, host lists.Host, in ...lists.Answer) string {
	r := l.Match(host)
	for _, a := range in {
		if r.Answer == a {
			return cmp.Or(r.Item, "the list")
		}
	}
	return ""
}

// client is the TLS configuration for a handshake with that host; verified says
// that one which succeeds has verified the server.
func (t *Transport) client(host Target) (cfg *tls.Config, verified bool, err error) {
	o, _, err := t.Options(host)
	if err != nil {
		return nil, false, err
	}
	cfg, err = t.certs.Client(o, certs.Host{Name: host.Name, Addr: host.Addr})
	return cfg, o.VerifyCertificates != "", err
}

// Options are those of TLS, expanded for a host; named is the item of
// tls_verify_cert_hostnames that the host is, "" where it is none.
func (t *Transport) Options(host Target) (o certs.Client, named string, err error) {
	vars := hostVars{t.helo, t.version, host}
	o.Groups = t.Config.TLSGroups
	for _, f := range []struct {
		name   string
		option *expand.String
		to     *string
		file   bool
	}{
		{"tls_certificate", t.Config.TLSCertificate, &o.Certificate, true},
		{"tls_privatekey", t.Config.TLSPrivateKey, &o.PrivateKey, true},
		{"tls_verify_certificates", t.Config.TLSVerifyCertificates, &o.VerifyCertificates, true},
		{"tls_verify_ciphers", t.Config.TLSVerifyCiphers, &o.Ciphers, false},
	} {
		if f.file {
			*f.to, err = fileName(f.name, f.option, vars)
		} else {
			*f.to, err = value(f.name, f.option, vars)
		}
		if err != nil {
			return o, "", err
		}
	}
	named = matches(t.Config.TLSVerifyCertHostnames, listed(host), lists.Yes, lists.Unknown)
	o.VerifyName = named != ""
	return o, named, nil
}

// hostVars is what there is where an option is expanded for a host (SPEC 3).
type hostVars struct {
	hostname, version string
	host              Target
}

func (h hostVars) AppendVar(dst []byte, v expand.Var) []byte {
	switch v {
	case expand.PrimaryHostname:
		return append(dst, h.hostname...)
	case expand.VersionNumber:
		return append(dst, h.version...)
	case expand.TodFull:
		return expand.AppendTodFull(dst, time.Now())
	case expand.TodLog:
		return expand.AppendTodLog(dst, time.Now())
	case expand.Host:
		return append(dst, h.host.Name...)
	case expand.HostAddress:
		return append(dst, h.host.IP...)
	}
	return dst
}

// value expands an option; "" where it is unset, or its expansion was forced to
// fail (SPEC C9).
func value(name string, s *expand.String, vars expand.Env) (string, error) {
	v, err := expanded(name, s, vars)
	return v.String(), err
}

func fileName(name string, s *expand.String, vars expand.Env) (string, error) {
	v, err := expanded(name, s, vars)
	if err != nil {
		return "", err
	}
	file, err := v.FileName()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return file, nil
}

func expanded(name string, s *expand.String, vars expand.Env) (expand.Value, error) {
	if s == nil {
		return expand.Value{}, nil
	}
	v, err := s.Eval(vars)
	switch {
	case errors.Is(err, expand.ErrForced):
		return expand.Value{}, nil
	case err != nil:
		return expand.Value{}, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}
