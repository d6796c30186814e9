package main

import (
	"context"
	"net"
	"sync"
	"time"

	"mtad/actors"
	"mtad/internal/admin"
	"mtad/internal/config"
	"mtad/internal/mainlog"
	"mtad/internal/queue"
	"mtad/spool"
)

// adminServer answers on the admin address; it is what the API sees of the
// daemon (admin.Daemon). Without an address it only waits.
type adminServer struct {
	daemon *actors.Daemon
	spool  *spool.Spool
	log    *mainlog.Log
	http   *admin.Server // nil without an address

	reloads *reloader

	drainOnce sync.Once
	drain     chan struct{} // closed by POST drain
}

// ensureToken reads the token of the API, and makes its file where it is
// missing; "" where the configuration has none. It runs before privileges are
// dropped: the file may lie where only root writes.
func ensureToken(cfg *config.Config) (string, error) {
	if cfg.Admin.Address == "" || cfg.Admin.TokenFile == "" {
		return "", nil
	}
	return admin.EnsureToken(cfg.Admin.TokenFile)
}

// serveAdmin starts to answer on l, nil for none.
func serveAdmin(cfg *config.Config, l net.Listener, token string, d *actors.Daemon, sp *spool.Spool, log *mainlog.Log, reloads *reloader) (*adminServer, error) {
	s := &adminServer{daemon: d, spool: sp, log: log, reloads: reloads, drain: make(chan struct{})}
	if l == nil {
		return s, nil
	}
	s.http = admin.New(admin.Options{
		Address: cfg.Admin.Address, Hostname: cfg.PrimaryHostname, Token: token, Version: version, Daemon: s, Log: log,
	})
	go s.http.Serve(l)
	return s, nil
}

func (s *adminServer) Close() {
	if s.http != nil {
		s.http.Close()
	}
}

// Status counts what is there.
func (s *adminServer) Status(ctx context.Context) (admin.Status, error) {
	var st admin.Status
	err := s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		st.Queue = c.Gauges()
		return nil
	})
	st.HostsRemembered = s.daemon.RememberedCount()
	st.SpoolBytes = s.spool.Stats().DiskBytes
	return st, err
}

// Show returns one message.
func (s *adminServer) Show(ctx context.Context, id spool.ID) (admin.Message, error) {
	env, err := s.spool.Envelope(id)
	if err != nil {
		return admin.Message{}, err
	}
	m := admin.Message{Envelope: env}
	err = s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		m.Summary, _ = c.Summary(id)
		return nil
	})
	return m, err
}

// Hosts returns what the schedule knows of hosts.
func (s *adminServer) Hosts(ctx context.Context) ([]admin.Host, error) {
	var hosts []admin.Host
	remembered, seen := s.daemon.Remembered(), map[queue.HostAddr]bool{}
	err := s.daemon.Inspect(ctx, func(c *queue.Core) []queue.Action {
		for _, h := range c.HostStates() {
			v := hostView(h)
			v.Remembered, seen[h.Host] = remembered[h.Host], true
			hosts = append(hosts, v)
		}
		return nil
	})
	for h, what := range remembered {
		if !seen[h] { // nothing is under way to it
			hosts = append(hosts, admin.Host{Name: h.Name, Address: h.Addr.String(), Remembered: what})
		}
	}
	return hosts, err
}

// Forget ends what is remembered of a host.
func (s *adminServer) Forget(host, _ string) int { return s.daemon.Forget(host) }

func hostView(h queue.HostState) admin.Host {
	v := admin.Host{Name: h.Host.Name, Address: h.Host.Addr.String(), Transport: h.Transport, Site: h.Site, Connections: h.Connections, Window: h.Window, Error: h.Trouble}
	if !h.RetryAt.IsZero() {
		v.RetryAt = h.RetryAt.Format(time.RFC3339)
	}
	return v
}

// Drain begins what TERM begins.
func (s *adminServer) Drain(string) { s.drainOnce.Do(func() { close(s.drain) }) }

// Reload does what HUP does.
func (s *adminServer) Reload(string) (string, error) { return s.reloads.reload() }

// Ready reports whether new mail is accepted, or why not.
func (s *adminServer) Ready() (bool, string) {
	switch {
	case s.daemon.Draining():
		return false, "draining"
	case s.spool.Poisoned():
		return false, "a sync of the spool failed; restart mtad when the disk is sound"
	case s.spool.Full():
		return false, "the spool has less free space than check_spool_space or check_spool_inodes"
	}
	select {
	case <-s.daemon.Running():
		return true, ""
	default:
		return false, "reading the spool"
	}
}
