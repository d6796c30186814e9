package explain

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/outbound"
	"mtad/internal/resolver"
	"mtad/internal/route"
	"mtad/internal/smtp"
)

var update = flag.Bool("update", false, "write the .want files anew")

// secret is in what the testdata has of authenticators.
const secret = "secret-of-the-test"

func lookup(_ context.Context, host string) ([]netip.Addr, error) {
	switch host {
	case "mx1.y.example":
		return []netip.Addr{netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9")}, nil
	case "mx2.y.example":
		return nil, errors.New("server \x1b[31mfailure")
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.20")}, nil
}

// names is a DNS of host names.
type names func(context.Context, string) ([]netip.Addr, error)

func (n names) LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	return n(ctx, host)
}

func (names) LookupMX(_ context.Context, domain string) ([]resolver.MX, error) {
	return nil, &resolver.Error{Kind: resolver.NoData, Type: "MX", Name: domain}
}

func explainer(t *testing.T, dir, text string) *Explainer {
	t.Helper()
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	router := route.New(cfg, names(lookup))
	router.Reachable = func(route.Host) bool { return true }
	return &Explainer{Config: cfg, Router: router, Retry: route.NewRetry(cfg.Retry),
		Transports: outbound.Transports(cfg, "1.0", certs.NewStore(certs.Options{Dir: cfg.Dir}))}
}

func path(t *testing.T, address string) smtp.Path {
	t.Helper()
	p, _, err := smtp.ParsePath([]byte("<" + address + ">"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestExplain plays testdata/*.toml: the first lines say "# explain: ADDRESS...",
// and "# known: " what the daemon knows, as JSON.
func TestExplain(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("nothing to explain:", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSuffix(file, ".toml") + ".want"
			got := play(t, string(text))
			if strings.Contains(got, secret) {
				t.Errorf("a secret is told:\n%s", got)
			}
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if have, err := os.ReadFile(want); err != nil || string(have) != got {
				t.Errorf("%v; it says\n%s", err, got)
			}
		})
	}
}

func play(t *testing.T, text string) string {
	dir := t.TempDir()
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{"mx.example"}, Days: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.pem", "own.pem"} {
		if err := os.WriteFile(filepath.Join(dir, name), append(cert, key...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := explainer(t, dir, text)
	var addresses []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# explain: "); ok {
			addresses = strings.Fields(rest)
		}
		if rest, ok := strings.CutPrefix(line, "# known: "); ok {
			var known []Known
			if err := json.Unmarshal([]byte(rest), &known); err != nil {
				t.Fatal(err)
			}
			e.Known = func(context.Context) ([]Known, error) { return known, nil }
		}
	}
	var b strings.Builder
	for _, a := range addresses {
		r := e.Explain(t.Context(), path(t, a))
		if err := r.Print(&b, time.Now()); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "deliverable=%t\n\n", r.Deliverable())
	}
	return strings.ReplaceAll(b.String(), dir, "DIR")
}

// server answers commands in clear until QUIT.
func server(t *testing.T, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(conn, greeting)
		for in := bufio.NewScanner(conn); in.Scan(); {
			if !strings.HasPrefix(in.Text(), "EHLO") && in.Text() != "QUIT" {
				t.Errorf("the probe says %q", in.Text())
			}
			io.WriteString(conn, "250 \x1b]0;title\x07 ok\r\n")
		}
	}()
	return l.Addr().String()
}

// What the network says reaches no terminal as it is, as text or as JSON.
func TestProbeIsPrintable(t *testing.T) {
	t.Parallel()
	for greeting, fine := range map[string]bool{"220 mx \x1b[31m\x9b red\r\n": true, "554 \x1b[31m no\r\n": false, "\x1b[31m\r\n": false} {
		e := explainer(t, t.TempDir(), "[[router]]\nname = \"r\"\ndriver = \"domainlist\"\nhosts = \""+server(t, greeting)+"\"\n")
		e.Probe = true
		r := e.Explain(t.Context(), path(t, "b@y.example"))
		var text strings.Builder
		if err := errors.Join(r.Print(&text, time.Now()), json.NewEncoder(&text).Encode(r)); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(text.String(), func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') }); i >= 0 {
			t.Errorf("%q", text.String()[i:])
		}
		if r.Deliverable() != fine || !strings.Contains(text.String(), `\033[31m`) || strings.Contains(text.String(), "MAIL FROM") {
			t.Errorf("deliverable=%t\n%s", r.Deliverable(), text.String())
		}
	}
}
