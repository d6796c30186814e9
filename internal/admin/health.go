package admin

import (
	"context"
	"io"
	"net/http"
	"time"
)

// healthz: the process answers.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "alive\n")
}

// readyz: new mail is accepted; 503 with the reason while it is not (AM-10).
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	ready, reason := s.opt.Daemon.Ready()
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, reason+"\n")
		return
	}
	io.WriteString(w, "ready\n")
}

// statusLimit is how long a scrape waits for the queue; then it shows what it
// was told last, so that a scrape ends within a second under overload (AM-11).
const statusLimit = 500 * time.Millisecond

// now asks for the counts.
func (s *Server) now(ctx context.Context) Status {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	st, err := s.opt.Daemon.Status(ctx)
	if err != nil {
		if last := s.last.Load(); last != nil {
			return *last
		}
		return Status{}
	}
	s.last.Store(&st)
	return st
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, s.statusReply(r.Context()))
}

func (s *Server) statusReply(ctx context.Context) StatusReply {
	st := s.now(ctx)
	q := st.Queue
	v := StatusReply{
		Version: s.opt.Version, Uptime: int64(time.Since(s.started).Seconds()),
		Messages:   map[string]int{"ready": q.Ready, "active": q.Active, "deferred": q.Deferred, "frozen": q.Frozen},
		Recipients: q.Recipients, Connections: q.Connections, OldestSeconds: int64(age(q.Oldest).Seconds()),
		SpoolBytes: st.SpoolBytes, HostsRemembered: st.HostsRemembered, Suspensions: q.Suspensions,
	}
	v.Ready, v.Reason = s.opt.Daemon.Ready()
	return v
}

// age is 0 where nothing is there to have one.
func age(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t))
}
