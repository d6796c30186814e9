package actors

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mtad/internal/queue"
	"mtad/spool"
	"mtad/tlsstate"
)

// tlsHop is a next hop that does TLS; what it does when TLS is shut down is the
// test's choice. It counts what it sees.
type tlsHop struct {
	*hop
	cfg *tls.Config

	mu   sync.Mutex
	end  string // "": carries on; "fin", "silence", "rubbish", "5xx", "421": not
	seen struct{ connections, handshakes, resumed, shutdowns, rsets int }
}

var hopKey = sync.OnceValue(func() tls.Certificate {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"hop.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func newTLSHop(t *testing.T, version uint16) *tlsHop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &tlsHop{hop: &hop{addr: l.Addr().String(), l: l},
		cfg: &tls.Config{Certificates: []tls.Certificate{hopKey()}, MinVersion: version, MaxVersion: version}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.count(&h.seen.connections)
			go h.serveTLS(conn)
		}
	}()
	return h
}

func (h *tlsHop) count(n *int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*n++
}

// when sets what happens at a shutdown from now on.
func (h *tlsHop) when(end string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end = end
}

func (h *tlsHop) ending() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.end
}

func (h *tlsHop) saw() (connections, handshakes, resumed, shutdowns, rsets int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.seen
	return s.connections, s.handshakes, s.resumed, s.shutdowns, s.rsets
}

func (h *tlsHop) serveTLS(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	sock := tlsstate.New(conn)
	in := bufio.NewReader(sock)
	reply := func(s string) { io.WriteString(sock, s+"\r\n") }
	reply("220 hop.test")
	mailed, after := false, ""
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, tlsstate.ErrCloseNotify) {
			h.count(&h.seen.shutdowns)
			mailed = false
			if after = h.ending(); after == "fin" {
				return
			}
			sock.Shutdown()
			continue
		}
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case verb == "EHLO" && after == "silence" && !sock.State().On:
			io.Copy(io.Discard, conn)
			return
		case verb == "EHLO" && after == "rubbish" && !sock.State().On:
			reply("what?")
		case verb == "EHLO" && after == "5xx" && !sock.State().On:
			reply("503 not again")
		case verb == "EHLO" && after == "421" && !sock.State().On:
			reply("421 enough")
			return
		case verb == "EHLO" && sock.State().On:
			reply("250-hop.test\r\n250 PIPELINING")
		case verb == "EHLO":
			reply("250-hop.test\r\n250 STARTTLS")
		case verb == "STARTTLS":
			reply("220 go ahead")
			if sock.StartServer(h.cfg, time.Now().Add(patience), nil) != nil {
				return
			}
			h.count(&h.seen.handshakes)
			if sock.State().Resumed {
				h.count(&h.seen.resumed)
			}
		case verb == "MAIL":
			if mailed {
				reply("503 twice")
				continue
			}
			mailed = true
			reply("250 ok")
		case verb == "RSET":
			h.count(&h.seen.rsets)
			mailed = false
			reply("250 ok")
		case verb == "DATA":
			reply("354 go on")
			subject := readMessage(in)
			h.hop.mu.Lock()
			h.subjects = append(h.subjects, subject)
			h.hop.mu.Unlock()
			mailed = false
			reply("250 OK")
		case verb == "QUIT":
			reply("221 bye")
			return
		default:
			reply("250 OK")
		}
	}
}

var tlsVersions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

func inBoth(t *testing.T, f func(t *testing.T, h *tlsHop)) {
	t.Parallel()
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, newTLSHop(t, version))
		})
	}
}

// inOrder asserts that all came once, in the order of their arrival here.
func (r *relay) inOrder(subjects []string) {
	r.t.Helper()
	if got := r.hop.got(); !slices.Equal(got, subjects) {
		r.t.Errorf("the hop has got %v\nwant %v", got, subjects)
	}
}

func (r *relay) mainlog() string {
	text, _ := os.ReadFile(filepath.Join(r.logs, "mainlog"))
	return string(text)
}

// logged waits until the log has what pattern says n times.
func (r *relay) logged(n int, pattern string) {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	r.until(fmt.Sprintf("the log has %d times %s", n, pattern), func() bool { return len(re.FindAllString(r.mainlog(), -1)) == n })
}

// H1, H2: a message, a delivery actor, a TLS session; one connection.
func TestH1ASessionForEachMessage(t *testing.T) {
	inBoth(t, func(t *testing.T, h *tlsHop) {
		r := relayOn(t, t.TempDir(), h.hop, nil, "max_connections = 1", `connection_linger = "10s"`)
		subjects := names("m", 20)
		r.submit(subjects...)
		r.idle()
		r.inOrder(subjects)
		connections, handshakes, resumed, shutdowns, _ := h.saw()
		if connections != 1 || handshakes != 20 || resumed != 19 || shutdowns != 19 {
			t.Errorf("%d connections, %d handshakes, %d resumed, %d shutdowns", connections, handshakes, resumed, shutdowns)
		}
		r.logged(1, `=> .* H=127\.0\.0\.1 \[127\.0\.0\.1\] X=TLSv1\.[23]:\S+:\d+ CV=no C="250 OK"`)
		r.logged(19, `=> .* H=127\.0\.0\.1 \[127\.0\.0\.1\]\* X=TLSv1\.[23]:\S+:\d+ CV=no C="250 OK"`)
	})
}

// H3, H4, H5: a server that does not go on costs no message its place; it is
// remembered, across a restart, and gets its messages in a session that is kept.
func TestH5RemembersAndKeeps(t *testing.T) {
	for _, end := range []string{"fin", "silence", "rubbish", "5xx"} {
		t.Run(end, func(t *testing.T) {
			inBoth(t, func(t *testing.T, h *tlsHop) {
				h.when(end)
				dir := t.TempDir()
				options := []string{"max_connections = 1", `handoff_timeout = "200ms"`, `connection_linger = "10s"`}
				r := relayOn(t, dir, h.hop, nil, options...)
				subjects := names("m", 20)
				r.submit(subjects...)
				r.idle()
				r.inOrder(subjects)
				connections, handshakes, _, shutdowns, _ := h.saw()
				if connections != 2 || handshakes != 2 || shutdowns < 1 {
					t.Errorf("%d connections, %d handshakes, %d shutdowns: one to learn, one for the rest", connections, handshakes, shutdowns)
				}
				r.logged(1, `H=127\.0\.0\.1 \[127\.0\.0\.1\]: does not go on after TLS was shut down, remembered until \d{4}-`)
				if log := r.mainlog(); strings.Contains(log, " == ") || strings.Contains(log, "closed connection in response to MAIL") {
					t.Errorf("H4: a failure is logged:\n%s", log)
				}
				if n := r.RememberedCount(); n != 1 {
					t.Errorf("H9: %d hosts are remembered", n)
				}
				r.Drain(t.Context())
				r.spool.Close()
				if r.handoffs.timer != nil {
					t.Error("H5: the daemon has ended, and would still forget")
				}

				r = relayOn(t, dir, h.hop, nil, options...)
				more := names("n", 5)
				r.submit(more...)
				r.idle()
				r.inOrder(append(subjects, more...))
				if connections, handshakes, _, _, _ = h.saw(); connections != 3 || handshakes != 3 {
					t.Errorf("after a restart: %d connections, %d handshakes", connections, handshakes)
				}
				if n := r.Forget("127.0.0.1"); n != 1 || r.RememberedCount() != 0 {
					t.Errorf("H9: %d forgotten", n)
				}
				r.logged(1, `is given the chance again to go on after TLS was shut down`)
				r.spool.HostFacts(func(f spool.HostFact) bool {
					t.Errorf("the spool still remembers %s", f.Key)
					return false
				})
			})
		})
	}
}

// H5: with "reconnect", each message has a connection, and resumes its session.
func TestH5Reconnect(t *testing.T) {
	inBoth(t, func(t *testing.T, h *tlsHop) {
		h.when("fin")
		r := relayOn(t, t.TempDir(), h.hop, nil, "max_connections = 1", `tls_handoff_fallback = "reconnect"`)
		subjects := names("m", 10)
		r.submit(subjects...)
		r.idle()
		r.inOrder(subjects)
		if connections, handshakes, resumed, _, _ := h.saw(); connections != 10 || handshakes != 10 || resumed != 9 {
			t.Errorf("%d connections, %d handshakes, %d resumed", connections, handshakes, resumed)
		}
	})
}

// H5: what a server says of its own state teaches nothing.
func TestH5A421TeachesNothing(t *testing.T) {
	inBoth(t, func(t *testing.T, h *tlsHop) {
		h.when("421")
		r := relayOn(t, t.TempDir(), h.hop, nil, "max_connections = 1")
		subjects := names("m", 5)
		r.submit(subjects...)
		r.idle()
		r.inOrder(subjects)
		if n := r.RememberedCount(); n != 0 {
			t.Errorf("%d hosts are remembered", n)
		}
	})
}

// H6: the live session is handed on.
func TestH6Keep(t *testing.T) {
	inBoth(t, func(t *testing.T, h *tlsHop) {
		r := relayOn(t, t.TempDir(), h.hop, nil, "max_connections = 1", `tls_handoff = "keep"`, `connection_linger = "10s"`)
		subjects := names("m", 20)
		r.submit(subjects...)
		r.idle()
		r.inOrder(subjects)
		if connections, handshakes, _, shutdowns, rsets := h.saw(); connections != 1 || handshakes != 1 || shutdowns != 0 || rsets != 0 {
			t.Errorf("%d connections, %d handshakes, %d shutdowns, %d RSET", connections, handshakes, shutdowns, rsets)
		}
		r.logged(19, `\[127\.0\.0\.1\]\* X=TLS`)
	})
}

// H7: one message a connection.
func TestH7BatchOfOne(t *testing.T) {
	inBoth(t, func(t *testing.T, h *tlsHop) {
		r := relayOn(t, t.TempDir(), h.hop, nil, "max_connections = 1", "batch_max = 1")
		subjects := names("m", 5)
		r.submit(subjects...)
		r.idle()
		r.inOrder(subjects)
		if connections, handshakes, resumed, _, _ := h.saw(); connections != 5 || handshakes != 5 || resumed != 4 {
			t.Errorf("%d connections, %d handshakes, %d resumed", connections, handshakes, resumed)
		}
	})
}

// C5, C3: a host that has no TLS where it is required: deferred, never in clear.
func TestC5Deferred(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil, `hosts_require_tls = "*"`)
	r.submit("m")
	r.logged(1, `== b@y\.test R=hop T=smtp defer \(-38\): H=127\.0\.0\.1 \[127\.0\.0\.1\]: TLS: STARTTLS is not offered; the host is in hosts_require_tls \("\*"\)`)
	r.exactly()
}

// What is remembered ends by itself, with a line in the log, and is not read back.
func TestH5MemoryEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newTLSHop(t, tls.VersionTLS13)
	h.when("fin")
	r := relayOn(t, dir, h.hop, nil, "max_connections = 1", `tls_handoff_memory = "1s"`)
	r.submit("a", "b")
	r.idle()
	r.logged(1, `does not go on after TLS was shut down, remembered until `)
	r.logged(1, `is given the chance again`)
	if n := r.RememberedCount(); n != 0 {
		t.Errorf("%d are remembered", n)
	}
}

func TestHandoffFacts(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, host := range []queue.HostAddr{
		{Name: "mx.y.example", Addr: netip.MustParseAddrPort("192.0.2.9:25")}, {Name: "2001:db8::1", Addr: netip.MustParseAddrPort("[2001:db8::1]:26")},
	} {
		got, end, ok := parseHandoff(handoffFact(host, until))
		if !ok || got != host || !end.Equal(until) {
			t.Errorf("%v: %v %v %v", host, got, end, ok)
		}
	}
	for _, key := range []string{"", "handoff", "handoff mx x", "other mx 192.0.2.9:25", "handoff a b 192.0.2.9:25"} {
		f := handoffFact(queue.HostAddr{}, until)
		f.Key = key
		if _, _, ok := parseHandoff(f); ok {
			t.Errorf("%q is taken", key)
		}
	}
}

// Mail between two mtad, one connection, a fresh actor and a TLS session for each
// message: all once, in order, resumed from the second on; nothing is left over.
func TestTwoDaemons(t *testing.T) { // not parallel: it reads counters and counts goroutines
	const n = 500
	before := runtime.NumGoroutine()
	t.Run("relay", func(t *testing.T) {
		last := newHop(t)
		b := relayOn(t, t.TempDir(), last, nil, "max_connections = 1", "batch_max = 10000", `connection_linger = "10s"`,
			`main: tls_certificate = "self-signed"`, `main: tls_advertise_hosts = "*"`)
		a := relayOn(t, t.TempDir(), &hop{addr: b.addr}, nil, "max_connections = 1", "batch_max = 10000", `connection_linger = "10s"`, `tls_groups = "X25519"`)
		resumed := handoffCounts["resumed"].Get()
		subjects := names("m", n)
		a.submit(subjects...)
		a.idle()
		b.idle()
		b.inOrder(subjects)
		if got := handoffCounts["resumed"].Get() - resumed; got != n-1 {
			t.Errorf("%d hand-overs with a resumed session, want %d", got, n-1)
		}
		a.logged(1, `=> .* \[127\.0\.0\.1\] X=TLSv1\.3:`)
		a.logged(n-1, `=> .* \[127\.0\.0\.1\]\* X=TLSv1\.3:`)
		b.logged(n, `<= .* P=esmtps X=TLSv1\.3:`)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := errors.Join(a.Drain(ctx), b.Drain(ctx)); err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before+10; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
