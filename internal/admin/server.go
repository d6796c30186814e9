package admin

import (
	"errors"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"mtad/internal/mainlog"
)

// Options of New.
type Options struct {
	Address  string // [admin] address: a Host: that is taken, beside IP addresses and localhost
	Hostname string // primary_hostname: another
	Token    string // from EnsureToken; "" turns all off that needs it
	Version  string
	Daemon   Daemon
	Log      *mainlog.Log
}

// Server answers on the admin address.
type Server struct {
	opt     Options
	started time.Time
	http    *http.Server
	guard   guard
	last    atomic.Pointer[Status] // shown where the queue is too busy to answer
}

// What one client, and all of them together, may cost (THREATS DO-11).
const (
	maxConnections = 100
	maxHeader      = 16 << 10
	maxBody        = 1 << 20
)

// New makes a server; Serve starts it.
func New(opt Options) *Server {
	s := &Server{opt: opt, started: time.Now()}
	s.guard = newGuard(opt)
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(discard{}, "", 0),
	}
	return s
}

// discard takes what net/http says of clients that break off: no news.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Serve answers until Close. It owns l.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(netutil.LimitListener(l, maxConnections))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Close ends Serve and all connections.
func (s *Server) Close() error { return s.http.Close() }

// route is one row of what can be asked.
type route struct {
	pattern string // method and path, as http.ServeMux has them
	open    bool   // without a token: counts only
	handle  http.HandlerFunc
}

func (s *Server) routes() []route {
	rows := []route{
		{"GET /{$}", true, s.page},
		{"GET /metrics", true, s.metrics},
		{"GET /healthz", true, s.healthz},
		{"GET /readyz", true, s.readyz},
		{"GET /api/v1/status", true, s.status},
		{"GET /api/v1/queue", false, s.list},
		{"GET /api/v1/queue/{id}", false, s.show},
		{"GET /api/v1/queue/summary", false, s.summary},
		{"GET /api/v1/lanes", false, s.lanes},
		{"GET /api/v1/suspensions", false, s.suspensions},
		{"POST /api/v1/queue/suspend", false, s.suspend},
		{"POST /api/v1/queue/resume", false, s.resume},
		{"GET /api/v1/hosts", false, s.hosts},
		{"POST /api/v1/hosts/forget", false, s.forget},
		{"POST /api/v1/drain", false, s.drain},
		{"POST /api/v1/reload", false, s.reload},
	}
	for _, v := range Verbs {
		rows = append(rows, route{"POST /api/v1/queue/" + string(v), false, s.act(v)})
	}
	return rows
}

// Handler is the whole of it, for Serve and for tests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux() // never http.DefaultServeMux: pprof and expvar register there (AM-03)
	for _, r := range s.routes() {
		h := r.handle
		if !r.open {
			h = s.guard.needToken(h)
		}
		mux.HandleFunc(r.pattern, h)
	}
	return s.guard.sameSite(mux)
}
