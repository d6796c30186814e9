package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"mtad/internal/mainlog"
)

// guard keeps out who may not come in.
type guard struct {
	hosts []string          // names that may stand in Host:
	token [sha256.Size]byte // hashed, so that comparing takes the same time for any length
	on    bool
	log   *mainlog.Log

	delay   time.Duration // before a wrong token is answered
	waiting chan struct{} // a place for each answer that is being delayed
}

// wrongDelay and maxWaiting bound what guessing yields: eight guesses a second,
// whoever makes them; who has the token is never held up (AM-09).
const (
	wrongDelay = time.Second
	maxWaiting = 8
)

func newGuard(opt Options) guard {
	host, _, err := net.SplitHostPort(opt.Address)
	if err != nil {
		host = opt.Address
	}
	return guard{
		hosts: []string{"localhost", host, opt.Hostname}, token: sha256.Sum256([]byte(opt.Token)), on: opt.Token != "", log: opt.Log,
		delay: wrongDelay, waiting: make(chan struct{}, maxWaiting),
	}
}

// needToken lets a request through that bears the token (RFC 6750 2.1).
func (g *guard) needToken(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !g.on {
			fail(w, http.StatusNotFound, "this part is off: [admin] has no token_file")
			return
		}
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(given))
		if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1 {
			next(w, r)
			return
		}
		g.refuse(w, r, given != "")
	}
}

// refuse answers 401, and a wrong token slowly.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request, wrong bool) {
	if wrong {
		g.log.AdminRefused(r.RemoteAddr, "wrong token")
		select {
		case g.waiting <- struct{}{}:
			defer func() { <-g.waiting }()
		default:
			fail(w, http.StatusTooManyRequests, "too many wrong tokens")
			return
		}
		select {
		case <-time.After(g.delay):
		case <-r.Context().Done():
		}
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="mtad"`)
	fail(w, http.StatusUnauthorized, "this needs the token of [admin] token_file: Authorization: Bearer …")
}

// userHeader names the person behind a request, as a command gives it: it is taken on
// trust, as whoever has the token is trusted with more.
const userHeader = "Mtad-User"

// who names the author of an act in the audit trail.
func who(r *http.Request) string {
	who := "token " + r.RemoteAddr
	if user := r.Header.Get(userHeader); user != "" {
		who = user[:min(len(user), 64)] + " (" + who + ")"
	}
	return who
}

// sameSite refuses what a web page elsewhere makes a browser send: a foreign
// Host (DNS rebinding) or Origin (AM-05). Every answer gets the headers that
// keep a browser from making more of it than it is.
func (g *guard) sameSite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !g.ourHost(r.Host) {
			fail(w, http.StatusForbidden, "the Host: header names another host; use the address of [admin], an IP address, or localhost")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r.Host) {
			fail(w, http.StatusForbidden, "requests from other web sites are refused")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// ourHost reports whether a Host: header can only mean this server.
func (g *guard) ourHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if host == "" {
		return false
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return slices.ContainsFunc(g.hosts, func(ours string) bool { return ours != "" && strings.EqualFold(host, ours) })
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && strings.EqualFold(u.Host, host)
}
