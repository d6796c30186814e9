package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mtad/internal/mainlog"
	"mtad/internal/queue"
	"mtad/spool"
)

const (
	testToken = "0123456789abcdef0123456789abcdef"
	canary    = "canary@secret.example"
)

// fakeDaemon answers from memory.
type fakeDaemon struct {
	mu        sync.Mutex
	messages  []Message
	acts      []string
	by, to    string // of the last
	suspended []queue.Suspension
	drained   int
	reloads   error
	notReady  string
	stuck     bool // Status waits until it is given up
}

func id(s string) (id spool.ID) { copy(id[:], s); return id }

func newFake() *fakeDaemon {
	d := &fakeDaemon{}
	for _, name := range []string{"1vNDqi-0000Gx-2A", "1vNDqi-0000Gy-2A", "1vNDqj-0000Gz-2A"} {
		d.messages = append(d.messages, Message{
			Envelope: &spool.Envelope{
				ID: id(name), Sender: canary, Helo: "<script>alert(1)</script>", Received: time.Unix(1795000000, 0).UTC(),
				ClientAddr: netip.MustParseAddrPort("192.0.2.1:4000"), Size: 1234,
				Recipients: []spool.Recipient{{Address: "b@y.example", State: spool.Pending, Attempts: 2,
					LastTry: time.Unix(1795000100, 0).UTC(), LastError: "Connection refused"}, {Address: "c@y.example", State: spool.Delivered}},
			},
			Summary: queue.Summary{State: "deferred", Due: time.Unix(1795000900, 0).UTC(), Why: "retry time not reached"},
		})
	}
	return d
}

func (d *fakeDaemon) Status(ctx context.Context) (Status, error) {
	if d.stuck {
		<-ctx.Done()
		return Status{}, ctx.Err()
	}
	return Status{Queue: queue.Gauges{Ready: 1, Active: 2, Deferred: 3, Frozen: 4, Recipients: 11, Oldest: time.Now().Add(-time.Hour),
		Connections: map[string]int{"smtp": 5}}, SpoolBytes: 4096, HostsRemembered: 6}, nil
}

func (d *fakeDaemon) Forget(host, who string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acts = append(d.acts, "forget "+host)
	return 1
}

func (d *fakeDaemon) List(ctx context.Context, part Slice) (page []Message, next uint64, err error) {
	for i := int(part.From); i < len(d.messages); i++ {
		m := d.messages[i]
		rcpts := part.Select.Recipients(m.Envelope, nil, time.Now())
		if ids := part.Select.IDs(); rcpts == nil || ids != nil && !slices.Contains(ids, m.Envelope.ID) {
			continue
		}
		if len(page) == part.Max {
			return page, uint64(i), nil
		}
		if !part.Select.Whole() {
			m.Meant = rcpts
		}
		page = append(page, m)
	}
	return page, 0, nil
}

func (d *fakeDaemon) Lanes(ctx context.Context, after string, max int) ([]queue.LaneState, error) {
	return []queue.LaneState{{Lane: "smtp|mx.y.example:25", Waiting: 3, Why: "retry time not reached for any host", Error: "Connection refused",
		Hosts: []queue.HostAddr{{Name: "mx.y.example", Addr: netip.MustParseAddrPort("192.0.2.9:25")}}}}, nil
}

func (d *fakeDaemon) Suspensions(ctx context.Context) (all []queue.SuspensionState, err error) {
	for _, s := range d.suspended {
		all = append(all, queue.SuspensionState{Suspension: s, Parked: 7})
	}
	return all, nil
}

func (d *fakeDaemon) Suspend(ctx context.Context, s queue.Suspension) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.suspended = append(d.suspended, s)
	return nil
}

func (d *fakeDaemon) Resume(ctx context.Context, scope, pattern string) (found bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.suspended)
	d.suspended = slices.DeleteFunc(d.suspended, func(s queue.Suspension) bool { return s.Scope == scope && s.Pattern == pattern })
	return len(d.suspended) < n, nil
}

func (d *fakeDaemon) Show(ctx context.Context, id spool.ID) (Message, error) {
	for _, m := range d.messages {
		if m.Envelope.ID == id {
			return m, nil
		}
	}
	return Message{}, spool.ErrUnknown
}

func (d *fakeDaemon) Hosts(ctx context.Context) ([]Host, error) {
	return []Host{{Name: "mx.y.example", Address: "192.0.2.9:25", Connections: 1, Window: 2, Error: "Connection refused"}}, nil
}

func (d *fakeDaemon) Act(ctx context.Context, o Order) (Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := Result{Failed: map[string]string{}}
	for _, id := range o.Select.IDs() {
		if _, err := d.Show(ctx, id); err != nil {
			r.Failed[id.String()] = err.Error()
		}
	}
	o.Slice.Max = 1000
	page, _, _ := d.List(ctx, o.Slice)
	for _, m := range page {
		r.Matched++
		if !o.DryRun {
			r.Done++
			d.acts = append(d.acts, string(o.Verb)+" "+m.Envelope.ID.String())
			d.by, d.to = o.By, o.To
		}
	}
	return r, nil
}

func (d *fakeDaemon) CheckRoute(to string) error {
	if to != "router=backup" {
		return errors.New("there is no " + to)
	}
	return nil
}

func (d *fakeDaemon) Drain(who string) { d.drained++ }

func (d *fakeDaemon) Reload(who string) (string, error) {
	if d.reloads != nil {
		return "", d.reloads
	}
	return "the log files are opened anew", nil
}

func (d *fakeDaemon) Ready() (bool, string) { return d.notReady == "", d.notReady }

var errReload = errors.New(`config.toml:3: tls_dhparm: unknown key (did you mean "tls_dhparam"?)`)

// serve starts a server on a fake daemon. The log is read with the function returned.
func serve(t *testing.T, d Daemon, token string) (*Server, *httptest.Server, func() string) {
	t.Helper()
	dir := t.TempDir()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	log, err := mainlog.Open(mainlog.Options{Path: dir + "/%slog", Stderr: null})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Address: "127.0.0.1:9925", Hostname: "relay.example.net", Token: token, Version: "1.0", Daemon: d, Log: log})
	s.guard.delay = 0
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		web.Close()
		log.Close()
		null.Close()
	})
	return s, web, func() string {
		log.Flush(5 * time.Second)
		b, err := os.ReadFile(filepath.Join(dir, "mainlog"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// ask sends one request; header is name, value, name, value …
func ask(t *testing.T, web *httptest.Server, method, path, body string, header ...string) (int, string) {
	t.Helper()
	code, text, _ := askAll(t, web, method, path, body, header...)
	return code, text
}

func askAll(t *testing.T, web *httptest.Server, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, web.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b), answer.Header
}

var bearer = []string{"Authorization", "Bearer " + testToken}
