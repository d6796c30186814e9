package inbound

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/lists"
	"mtad/internal/mainlog"
	"mtad/internal/smtp"
	"mtad/spool"
	"mtad/tlsstate"
)

// Deps is what a Server works with. Config, Spool and Log are needed.
type Deps struct {
	Config   func() *config.Config // the one in force; a session keeps what it began with
	Spool    Store
	Log      Log
	Version  string                // of mtad, for banner and Received:
	Arrived  func(*spool.Envelope) // called when a message is durable, before its 250 is written; must not block
	Draining func() bool           // nothing new is to be begun
	Certs    *certs.Store          // keys, certificates and what is made of them; nil: one for this server
	// Names looks up the names of an address that are confirmed forwards; an
	// error means "not now". nil: no host has a name.
	Names func(context.Context, netip.Addr) ([]string, error)
}

// Store is what a session needs of the spool; a *spool.Spool is one.
type Store interface {
	NewDraft() *spool.Draft
	NextID() spool.ID
	Commit(*spool.Batch) error
	Full() bool
	Poisoned() bool
}

// Log is what a session says to the operator; a *mainlog.Log is one.
type Log interface {
	Received(mainlog.Reception)
	Rejected(mainlog.Rejection)
	ConnectionRefused(c mainlog.Client, reason string)
	ConnectionLost(mainlog.Lost)
	Dropped(c mainlog.Client, reason, last string)
	SyncError(c mainlog.Client, where, input string)
	TLSFailed(c mainlog.Client, reason string, took time.Duration)
	AuthFailed(mainlog.AuthFailure)
	Notice(text string)
	Panic(text string, stack []byte)
}

// Listener is what a session has to know of the door it came in by.
type Listener struct {
	Name     string // its address, as configured
	TLS      string // "none", "starttls", "implicit"
	Protocol string // "smtp" or "submission"; "" is smtp

	SenderDomains *lists.DomainList // of submission; nil: all

	Config *config.Config // that it is of; nil: the one in force
}

// Server is what all sessions share. It is safe for concurrent use.
type Server struct {
	deps           Deps
	authenticators *authenticators
	hold           func(time.Duration) // keeps a refusal of AUTH back

	mu   sync.Mutex
	open map[*tlsstate.Socket]struct{} // sessions under way, for Drain
}

// NewServer makes a Server; it starts nothing.
func NewServer(d Deps) *Server {
	if d.Arrived == nil {
		d.Arrived = func(*spool.Envelope) {}
	}
	if d.Draining == nil {
		d.Draining = func() bool { return false }
	}
	if d.Certs == nil {
		cfg := d.Config()
		d.Certs = certs.NewStore(certs.Options{Dir: cfg.Dir, SpoolDir: cfg.SpoolDirectory, Hostname: cfg.PrimaryHostname})
	}
	return &Server{
		deps: d, authenticators: newAuthenticators(d.Log), hold: time.Sleep,
		open: make(map[*tlsstate.Socket]struct{}),
	}
}

// Serve holds one session, from the banner to its end, in the calling
// goroutine. The socket stays the caller's, who closes it behind. The error is
// how the connection failed; nil where the session was ended by QUIT, by the
// client's end of the connection, or by us.
func (srv *Server) Serve(sock *tlsstate.Socket, l Listener) error {
	srv.enter(sock)
	defer srv.leave(sock)
	s := newSession(srv, sock, l)
	defer s.close()
	return s.run()
}

func (srv *Server) enter(sock *tlsstate.Socket) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.open[sock] = struct{}{}
}

func (srv *Server) leave(sock *tlsstate.Socket) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.open, sock)
}

// Drain wakes the sessions that wait for a command, after Draining has begun to
// return true: they say 421. A message in the middle of its DATA goes on.
func (srv *Server) Drain() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	now := time.Now()
	for sock := range srv.open {
		sock.SetReadDeadline(now)
	}
}

// Refusal says why a connection is not served.
type Refusal uint8

// The refusals. Welcome is none.
const (
	Welcome            Refusal = iota
	TooManyConnections         // smtp_accept_max
	TooManyFromHost            // smtp_accept_max_per_host
	ShuttingDown               // draining
)

// refuseTimeout bounds the one write of Refuse: it goes into an empty buffer.
const refuseTimeout = 5 * time.Second

// Refuse answers a connection with 421 and nothing more. The socket stays the
// caller's.
func (srv *Server) Refuse(sock *tlsstate.Socket, why Refusal, _ Listener) {
	client := mainlog.Client{Addr: sock.RemoteAddr().Addr()}
	var r smtp.Reply
	switch why {
	case Welcome:
		return
	case TooManyConnections:
		r = tooManyConnections
		rejectedTooMany.Inc()
	case TooManyFromHost:
		r = tooManyFromHost
		rejectedTooManyHost.Inc()
	case ShuttingDown:
		r = shuttingDown
		rejectedDraining.Inc()
	}
	srv.deps.Log.ConnectionRefused(client, r.Text)
	sock.SetWriteDeadline(time.Now().Add(refuseTimeout))
	sock.Write(r.Append(nil, false))
}
