package actors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"mtad/internal/auth"
)

// authCount is how often a side has authenticated.
func authCount(side, mechanism, result string) uint64 {
	return metrics.GetOrCreateCounter(fmt.Sprintf("mtad_auth_total{side=%q,mechanism=%q,result=%q}", side, mechanism, result)).Get()
}

// H2: mail between two mtad, one connection, and for each message a fresh actor,
// a TLS session and an AUTH: all once, in order, resumed from the second on;
// nothing is left over.
func TestH2AuthForEachMessage(t *testing.T) { // not parallel: it reads counters, and counts goroutines and descriptors
	const n = 500
	for mechanism, options := range map[string]string{
		"SCRAM-SHA-256-PLUS": "driver = 'scram'",
		"CRAM-MD5":           "driver = 'cram_md5'",
		"PLAIN":              "driver = 'plaintext'\npublic_name = 'PLAIN'",
	} {
		t.Run(mechanism, func(t *testing.T) {
			goroutines, files := runtime.NumGoroutine(), descriptors(t)
			t.Run("relay", func(t *testing.T) { authenticated(t, n, mechanism, options) })
			for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines+10 || descriptors(t) > files+5; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d goroutines, %d before; %d descriptors, %d before", runtime.NumGoroutine(), goroutines, descriptors(t), files)
				}
			}
		})
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// authenticated relays n messages from one daemon to another that takes none
// without AUTH.
func authenticated(t *testing.T, n int, mechanism, options string) {
	dir := t.TempDir()
	users := filepath.Join(dir, "users.toml")
	if err := auth.AddUser(users, "relay", secretOfTests, true); err != nil {
		t.Fatal(err)
	}
	last := newHop(t)
	b := relayOn(t, dir, last, nil, "max_connections = 1", "batch_max = 10000", `connection_linger = "10s"`,
		`main: tls_certificate = "self-signed"`, `main: tls_advertise_hosts = "*"`, `main: auth_hosts = "*"`, `main: auth_over_tls_hosts = "*"`, `main: host_auth_accept_relay = "*"`,
		fmt.Sprintf("main: [[authenticator]]\nname = \"users\"\n%s\nserver_users = %q", options, users))
	a := relayOn(t, t.TempDir(), &hop{addr: b.addr}, nil, "max_connections = 1", "batch_max = 10000", `connection_linger = "10s"`, `tls_groups = "X25519"`,
		`hosts_require_auth = "*"`,
		fmt.Sprintf("main: [[authenticator]]\nname = \"next\"\n%s\nclient_name = \"relay\"\nclient_secret = %q", options, secretOfTests))
	resumed, out, in := handoffCounts["resumed"].Get(), authCount("client", mechanism, "done"), authCount("server", mechanism, "done")
	subjects := names("m", n)
	a.submit(subjects...)
	a.idle()
	b.idle()
	b.inOrder(subjects)
	if got := handoffCounts["resumed"].Get() - resumed; got != uint64(n-1) {
		t.Errorf("%d hand-overs with a resumed session, want %d", got, n-1)
	}
	out, in = authCount("client", mechanism, "done")-out, authCount("server", mechanism, "done")-in
	if out != uint64(n) || in != uint64(n) {
		t.Errorf("AUTH %s: %d times by the client, %d by the server, want %d", mechanism, out, in, n)
	}
	a.logged(1, `=> .* \[127\.0\.0\.1\] X=TLSv1\.3:.* A=next `)
	a.logged(n-1, `=> .* \[127\.0\.0\.1\]\* X=TLSv1\.3:.* A=next `)
	b.logged(n, `<= .* P=esmtpsa X=TLSv1\.3:.* A=users:relay `)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := errors.Join(a.Drain(ctx), b.Drain(ctx)); err != nil {
		t.Error(err)
	}
}

const secretOfTests = "canary of the actors' tests"

// A message that goes without AUTH is the first of its connection, and the last: it
// is not tried whether the next could go on it.
func TestAnonymousConnectionIsNotHandedOn(t *testing.T) { // not parallel: it reads a counter
	last := newHop(t)
	b := relayOn(t, t.TempDir(), last, nil, `main: tls_certificate = "self-signed"`, `main: tls_advertise_hosts = "*"`)
	a := relayOn(t, t.TempDir(), &hop{addr: b.addr}, nil, "max_connections = 1", `hosts_try_auth = "*"`,
		fmt.Sprintf("main: [[authenticator]]\nname = \"next\"\ndriver = 'scram'\nclient_name = \"relay\"\nclient_secret = %q", secretOfTests))
	refused := handoffCounts["refused"].Get()
	subjects := names("m", 3)
	a.submit(subjects...)
	a.idle()
	b.idle()
	b.inOrder(subjects)
	a.logged(3, `unauthenticated: the server offers no authentication`)
	a.logged(0, `\]\* `)
	if n := handoffCounts["refused"].Get() - refused; n > 0 {
		t.Errorf("%d hand-overs were tried", n)
	}
}
