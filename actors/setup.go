package actors

import (
	"mtad/internal/config"
	"mtad/internal/inbound"
	"mtad/internal/outbound"
	"mtad/internal/queue"
	"mtad/internal/route"
)

// setup is one configuration made ready. It is never changed: a session, a job and a
// question of routing end with the one they began with.
type setup struct {
	cfg        *config.Config
	router     *route.Router
	retry      *route.Retry
	transports map[string]*outbound.Transport
}

func (d *Daemon) makeSetup(cfg *config.Config) *setup {
	return &setup{
		cfg:        cfg,
		router:     route.New(cfg, d.dns),
		retry:      route.NewRetry(cfg.Retry),
		transports: outbound.Transports(cfg, d.version, d.certs),
	}
}

// Config is the configuration in force.
func (d *Daemon) Config() *config.Config { return d.setup.Load().cfg }

func (s *setup) limits(transport string) queue.Limits {
	t := s.cfg.Transports[transport]
	if t == nil {
		return queue.Limits{MaxConnections: 1, BatchMax: 1}
	}
	return queue.Limits{MaxConnections: t.MaxConnections, BatchMax: t.BatchMax, Linger: t.ConnectionLinger, MaxRate: t.MaxMessageRate, MaxTry: t.HostsMaxTry}
}

func (s *setup) site(h queue.HostAddr) *queue.Site {
	site, _ := s.cfg.SiteOf(h.Name, h.Addr.Addr())
	if site == nil {
		return nil
	}
	return &queue.Site{Name: site.Name, MaxConnections: site.MaxConnections, MaxRate: site.MaxMessageRate}
}

func (d *Daemon) queueSettings(epoch queue.Epoch, under *setup) queue.Settings {
	return queue.Settings{
		Epoch:             epoch,
		RemoteMaxParallel: under.cfg.RemoteMaxParallel,
		Limits:            under.limits,
		Site:              under.site,
		Rules:             under.retry,
		Address:           d.address,
		Domains:           d.domains,

		IgnoreBounceErrorsAfter: under.cfg.IgnoreBounceErrorsAfter,
		DelayWarning:            under.cfg.DelayWarning,
	}
}

// doorOf is what sessions of a [[listen]] have to know of it.
func doorOf(l config.Listen, cfg *config.Config) *inbound.Listener {
	return &inbound.Listener{Name: l.Address, TLS: l.TLS, Protocol: l.Protocol, SenderDomains: l.SenderDomains, Config: cfg}
}
