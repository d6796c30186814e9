package inbound

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mtad/internal/config"
	"mtad/internal/mainlog"
	"mtad/spool"
	"mtad/tlsstate"
)

// wire is a connection to a session under test. It knows when the session has
// answered everything and waits for more: tests need no time-outs. Each piece
// sent is what one Read gives at most.
type wire struct {
	remote net.TCPAddr

	mu      sync.Mutex
	cond    sync.Cond
	pieces  [][]byte
	out     bytes.Buffer
	eof     bool // the client has ended its side
	waiting bool // the session waits for input
	closed  bool
}

func newWire(client string) *wire {
	w := &wire{remote: net.TCPAddr{IP: net.ParseIP(client), Port: 4321}}
	w.cond.L = &w.mu
	return w
}

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.pieces) == 0 && !w.eof && !w.closed {
		w.waiting = true
		w.cond.Broadcast()
		w.cond.Wait()
	}
	w.waiting = false
	if len(w.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, w.pieces[0])
	if w.pieces[0] = w.pieces[0][n:]; len(w.pieces[0]) == 0 {
		w.pieces = w.pieces[1:]
	}
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.cond.Broadcast()
	return nil
}

func (w *wire) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 25), Port: 25} }
func (w *wire) RemoteAddr() net.Addr             { return &w.remote }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// send gives the session pieces to read and returns all that it answers until
// it waits for more, or has ended.
func (w *wire) send(pieces ...[]byte) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range pieces {
		if len(p) > 0 {
			w.pieces = append(w.pieces, p)
			w.waiting = false
		}
	}
	w.cond.Broadcast()
	for !w.closed && !w.waiting {
		w.cond.Wait()
	}
	answer := w.out.String()
	w.out.Reset()
	return answer
}

// end ends the client's side of the connection.
func (w *wire) end() string {
	w.mu.Lock()
	w.eof, w.waiting = true, false
	w.mu.Unlock()
	return w.send()
}

// testLog keeps what the session says to the operator.
type testLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *testLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *testLog) Received(r mainlog.Reception) {
	inTLS := ""
	if r.TLS != (mainlog.TLS{}) {
		inTLS = fmt.Sprintf(" X=%s DN=%q verified=%v", r.TLS.Cipher, r.TLS.PeerDN, r.TLS.Verified)
	}
	if r.Authenticator != "" {
		inTLS += " A=" + r.Authenticator + ":" + r.AuthID
	}
	l.add("received F=<%s> helo=%s P=%s S=%d id=%s rcpts=%d%s", r.Sender, r.Client.Helo, r.Protocol, r.Size, r.MessageID, r.Recipients, inTLS)
}
func (l *testLog) Rejected(r mainlog.Rejection) {
	l.add("rejected %s F=<%s> <%s>: %s", r.Stage, r.Sender, r.Recipient, r.Text)
}
func (l *testLog) ConnectionRefused(_ mainlog.Client, reason string) {
	l.add("connection refused: %s", reason)
}
func (l *testLog) ConnectionLost(e mainlog.Lost) {
	l.add("lost at %s F=<%s> timeout=%v", e.Stage, e.Sender, e.Timeout)
}
func (l *testLog) Dropped(_ mainlog.Client, reason, last string) {
	l.add("dropped: %s (last command %q)", reason, last)
}
func (l *testLog) SyncError(_ mainlog.Client, where, input string) {
	l.add("sync error: %s: input=%q", where, input)
}
func (l *testLog) TLSFailed(_ mainlog.Client, reason string, _ time.Duration) {
	l.add("TLS failed: %s", reason)
}

func (l *testLog) AuthFailed(f mainlog.AuthFailure) {
	l.add("AUTH failed: %s user=%q: %s", f.Authenticator, f.User, f.Text)
}
func (l *testLog) Notice(text string)          { l.add("notice: %s", text) }
func (l *testLog) Panic(text string, _ []byte) { l.add("panic: %s", text) }

func (l *testLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// sickStore is a spool that has a fault.
type sickStore struct {
	*spool.Spool
	full, poisoned bool
	err            error // of Commit
	commits        int
}

func (s *sickStore) Full() bool     { return s.full }
func (s *sickStore) Poisoned() bool { return s.poisoned }
func (s *sickStore) Commit(b *spool.Batch) error {
	s.commits++
	if s.err != nil {
		return s.err
	}
	return s.Spool.Commit(b)
}

// ourConfig is what all tests begin with; extra is TOML on top of it.
func ourConfig(t testing.TB, extra string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	text := `
primary_hostname  = "mx.ours.test"
relay_domains     = ["ours.test", "mx.ours.test"]
host_accept_relay = ["10.0.0.0/8"]
` + extra + `
[[router]]
name   = "smarthost"
driver = "domainlist"
hosts  = ["127.0.0.1:2626"]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// rig is a server under test and what stands around it.
type rig struct {
	t     testing.TB
	dir   string // of the spool
	srv   *Server
	store *sickStore
	log   *testLog
	drain bool

	mu      sync.Mutex
	arrived []spool.ID
}

func newRig(t testing.TB, extra string) *rig {
	t.Helper()
	cfg := ourConfig(t, extra)
	dir := filepath.Join(t.TempDir(), "spool.d")
	sp, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sp.Close() })
	r := &rig{t: t, dir: dir, store: &sickStore{Spool: sp}, log: &testLog{}}
	r.srv = NewServer(Deps{
		Config: func() *config.Config { return cfg }, Spool: r.store, Log: r.log, Version: "1.0",
		Arrived: func(env *spool.Envelope) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.arrived = append(r.arrived, env.ID)
		},
		Draining: func() bool { return r.drain },
	})
	r.srv.hold = func(time.Duration) {} // refusals of AUTH are not waited for
	return r
}

// dial begins a session and returns the banner.
func (r *rig) dial(client string) (*wire, string) {
	w := newWire(client)
	go func() {
		defer w.Close()
		r.srv.Serve(tlsstate.New(w), Listener{Name: "test", TLS: "starttls"})
	}()
	return w, w.send()
}

// say sends lines in one piece.
func (w *wire) say(lines ...string) string {
	return w.send([]byte(strings.Join(lines, "\r\n") + "\r\n"))
}

// stored returns the messages in the spool as they would go out, in order.
func (r *rig) stored() (envs []*spool.Envelope, texts []string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range r.arrived {
		env, err := r.store.Envelope(id)
		if err != nil {
			r.t.Fatal(err)
		}
		body, err := r.store.Body(id)
		if err != nil {
			r.t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := body.WriteTo(&b); err != nil {
			r.t.Fatal(err)
		}
		body.Release()
		envs, texts = append(envs, env), append(texts, b.String())
	}
	return envs, texts
}

// bodyOf cuts off the field that we put on top.
func bodyOf(t testing.TB, text string) string {
	t.Helper()
	i := strings.Index(text, " +0000\r\n")
	if i < 0 || !strings.HasPrefix(text, "Received: ") {
		t.Fatalf("no Received: field on top of %q", text)
	}
	return text[i+len(" +0000\r\n"):]
}
