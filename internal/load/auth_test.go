package load

import (
	"crypto/tls"
	"path/filepath"
	"testing"

	"mtad/internal/auth"
)

// drivers by what they are offered as.
var drivers = map[string]string{"PLAIN": "plaintext", "LOGIN": "plaintext", "CRAM-MD5": "cram_md5", "SCRAM-SHA-256": "scram"}

// authServer knows bob, by each of the mechanisms.
func authServer(t *testing.T) *auth.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.toml")
	if err := auth.AddUser(file, "bob", "a secret", true); err != nil {
		t.Fatal(err)
	}
	users, err := auth.OpenUsers(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &auth.Server{Hostname: "sink.test"}
	for name, driver := range drivers {
		s.Authenticators = append(s.Authenticators, &auth.Authenticator{Name: name, PublicName: name, Driver: driver, Users: users})
	}
	return s
}

func TestAuth(t *testing.T) {
	t.Parallel()
	server := authServer(t)
	refusal, err := ParseRefusal("AUTH=535")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, mechanism, secret  string
		clear                    bool
		rules                    []Rule
		acked, authenticated, no int64
	}{
		{name: "PLAIN", mechanism: "PLAIN", secret: "a secret", acked: 3, authenticated: 3},
		{name: "LOGIN", mechanism: "LOGIN", secret: "a secret", acked: 3, authenticated: 3},
		{name: "CRAM-MD5", mechanism: "CRAM-MD5", secret: "a secret", acked: 3, authenticated: 3},
		{name: "SCRAM", mechanism: "SCRAM-SHA-256", secret: "a secret", acked: 3, authenticated: 3},
		{name: "CRAM-MD5 in clear", mechanism: "CRAM-MD5", secret: "a secret", clear: true, acked: 3, authenticated: 1},
		{name: "PLAIN in clear", mechanism: "PLAIN", secret: "a secret", clear: true},
		{name: "wrong", mechanism: "PLAIN", secret: "another", no: 3},
		{name: "wrong CRAM-MD5", mechanism: "CRAM-MD5", secret: "another", no: 3},
		{name: "wrong SCRAM", mechanism: "SCRAM-SHA-256", secret: "another", no: 3},
		{name: "refused at will", mechanism: "PLAIN", secret: "a secret", rules: []Rule{refusal}, no: 3},
		{name: "unauthenticated", acked: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sink := &Sink{TLS: testTLS(t, tls.VersionTLS13), Auth: server, Rules: c.rules}
			s := &Sender{To: start(t, sink), Sessions: 1, Messages: 3, Size: 100, Rcpt: "u@test", TLS: clientTLS(), Restart: true}
			if c.clear {
				s.TLS = nil
			}
			if c.mechanism != "" {
				s.Auth = []auth.Credential{{Driver: drivers[c.mechanism], PublicName: c.mechanism, User: "bob", Secret: c.secret}}
			}
			sum := s.Run(t.Context())
			if got := sink.Totals(); sum.Acked != c.acked || got.Authenticated != c.authenticated || got.Refused != c.no {
				t.Errorf("%+v\n%+v", sum, got)
			}
		})
	}
}

// A sink says no to AUTH where it has none, and to a second one.
func TestAuthOutOfPlace(t *testing.T) {
	t.Parallel()
	for _, sink := range []*Sink{{}, {Auth: authServer(t)}} {
		g := &greeting{helo: "c.test", auth: new(auth.Client)}
		c, err := dial(start(t, sink), g)
		if err != nil {
			t.Fatal(err)
		}
		defer c.quit()
		bob := []auth.Credential{{Driver: "cram_md5", User: "bob", Secret: "a secret"}}
		if err := c.authenticate(g.auth, bob); (err == nil) != (sink.Auth != nil) {
			t.Errorf("AUTH: %v", err)
		}
		want := map[bool]int{true: 503, false: 502}[sink.Auth != nil]
		if r, err := c.command("AUTH CRAM-MD5"); err != nil || r.code != want {
			t.Errorf("%+v, %v, want %d", r, err, want)
		}
	}
}
