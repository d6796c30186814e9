package admin

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mtad/internal/config"
)

// client makes the commands' client for a test server.
func client(t *testing.T, web *httptest.Server, token string) *Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(config.Admin{Address: web.Listener.Addr().String(), TokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientAndServer(t *testing.T) {
	t.Parallel()
	d := newFake()
	_, web, log := serve(t, d, testToken)
	c, ctx := client(t, web, testToken), context.Background()

	first, err := c.List(ctx, "", 0, 2)
	if err != nil || len(first.Messages) != 2 || first.Next != 2 {
		t.Fatalf("first page: %+v %v", first, err)
	}
	last, err := c.List(ctx, "all", first.Next, 2)
	if err != nil || len(last.Messages) != 1 || last.Next != 0 {
		t.Fatalf("last page: %+v %v", last, err)
	}
	m, err := c.Show(ctx, "1vNDqi-0000Gx-2A")
	if err != nil || m.Sender != canary || m.State != "deferred" || m.Client != "192.0.2.1" || m.Due == nil || m.Due.Unix() != 1795000900 ||
		len(m.Recipients) != 2 || m.Recipients[0].LastError != "Connection refused" || m.Recipients[1].State != "delivered" || m.Recipients[1].LastTry != nil {
		t.Errorf("show: %+v %v", m, err)
	}
	if hosts, err := c.Hosts(ctx); err != nil || len(hosts) != 1 || hosts[0].Address != "192.0.2.9:25" {
		t.Errorf("hosts: %+v %v", hosts, err)
	}
	if r, err := c.Forget(ctx, "mx.y.example"); err != nil || r.Done != 1 || d.acts[0] != "forget mx.y.example" {
		t.Errorf("H9 forget: %+v %v", r, err)
	}
	d.acts = nil
	if st, err := c.Status(ctx); err != nil || st.Messages["frozen"] != 4 || st.Recipients != 11 || !st.Ready || st.OldestSeconds < 3599 {
		t.Errorf("status: %+v %v", st, err)
	}
	for _, v := range Verbs {
		r, err := c.Act(ctx, v, Request{IDs: []string{"1vNDqi-0000Gx-2A", "1vNDqi-0000GQ-2A"}, To: map[Verb]string{Reroute: "router=backup"}[v]})
		if err != nil || r.Done != 1 || r.Failed["1vNDqi-0000GQ-2A"] == "" {
			t.Errorf("%s: %+v %v", v, r, err)
		}
	}
	want := []string{"retry 1vNDqi-0000Gx-2A", "freeze 1vNDqi-0000Gx-2A", "thaw 1vNDqi-0000Gx-2A", "remove 1vNDqi-0000Gx-2A", "bounce 1vNDqi-0000Gx-2A", "reroute 1vNDqi-0000Gx-2A"}
	if !slices.Equal(d.acts, want) {
		t.Errorf("acts: %v", d.acts)
	}
	if outcome, err := c.Drain(ctx); err != nil || outcome != "draining" || d.drained != 1 {
		t.Errorf("drain: %q %v %d", outcome, err, d.drained)
	}
	if outcome, err := c.Reload(ctx); err != nil || outcome != "the log files are opened anew" {
		t.Errorf("reload: %q %v", outcome, err)
	}
	d.reloads = errReload
	if _, err := c.Reload(ctx); err == nil || err.Error() != errReload.Error() {
		t.Errorf("faulty reload: %v", err)
	}
	text := log()
	for _, line := range []string{"admin: remove 1vNDqi-0000Gx-2A 1vNDqi-0000GQ-2A by token 127.0.0.1:", ": 1 done, 1 failed\n", "admin: drain by token", "admin: reload by token", errReload.Error()} {
		if !strings.Contains(text, line) {
			t.Errorf("the audit trail lacks %q:\n%s", line, text)
		}
	}
	if strings.Contains(text, testToken) {
		t.Error("the token stands in the log")
	}
}

func TestClientSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, web, _ := serve(t, newFake(), testToken)
	ctx := context.Background()
	said := func(_ any, err error) string {
		if err == nil {
			return "no error"
		}
		return err.Error()
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := gone.Addr().String()
	gone.Close()
	nobody := client(t, web, testToken)
	nobody.base = "http://" + address

	for _, test := range []struct{ got, want string }{
		{said(nobody.Status(ctx)), "no daemon answers at http://" + address + ": dial tcp " + address + ": connect: connection refused; is mtad serve running?"},
		{said(client(t, web, strings.Repeat("x", 32)).List(ctx, "", 0, 1)), "does not take the token"},
		{said(client(t, web, testToken).Show(ctx, "1vNDqi-0000GQ-2A")), "no such message"},
		{said(client(t, web, testToken).Show(ctx, "../../etc/passwd")), "not a message id"},
		{said(NewClient(config.Admin{})), "no [admin] address"},
		{said(NewClient(config.Admin{Address: "127.0.0.1:1"})), "no [admin] token_file"},
		{said(NewClient(config.Admin{Address: "127.0.0.1:1", TokenFile: "/nonexistent"})), "are you its user?"},
	} {
		if !strings.Contains(test.got, test.want) {
			t.Errorf("%q does not say %q", test.got, test.want)
		}
	}
}

func TestClientFindsAnUnspecifiedAddress(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if _, err := EnsureToken(file); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{"0.0.0.0:9925": "http://127.0.0.1:9925", "[::]:9925": "http://127.0.0.1:9925",
		":9925": "http://127.0.0.1:9925", "[::1]:9925": "http://[::1]:9925", "192.0.2.1:1": "http://192.0.2.1:1"} {
		c, err := NewClient(config.Admin{Address: address, TokenFile: file})
		if err != nil || c.base != want {
			t.Errorf("%s: %v %v, want %s", address, c, err, want)
		}
	}
}

// LP-04, and what else may not stand in a request.
func TestFaultyRequests(t *testing.T) {
	t.Parallel()
	d := newFake()
	_, web, _ := serve(t, d, testToken)
	for _, path := range []string{"..%2f..%2fetc%2fpasswd", "%2e%2e%2f", "%00", "%2fetc%2fpasswd", strings.Repeat("a", 4096), "1vNDqi-0000Gx-2A%00", "1vNDqi_0000Gx_2A", "..%2f1vNDqi-0000Gx-2A", "1vNDqi-0000Gx-2A%0a"} {
		if code, _ := ask(t, web, "GET", "/api/v1/queue/"+path, "", bearer...); code != 400 {
			t.Errorf("GET %s: %d, want 400", path, code)
		}
	}
	for _, query := range []string{"max=0", "max=1001", "max=x", "from=../..", "from=-1"} {
		if code, _ := ask(t, web, "GET", "/api/v1/queue?"+query, "", bearer...); code != 400 {
			t.Errorf("%s: %d, want 400", query, code)
		}
	}
	for _, body := range []string{"", "{}", `{"host":""}`, `{"ids":["x"]}`} {
		if code, _ := ask(t, web, "POST", "/api/v1/hosts/forget", body, bearer...); code != 400 {
			t.Errorf("forget %s: %d, want 400", body, code)
		}
	}
	for _, body := range []string{"", "{}", `{"ids":[]}`, `{"ids":["../x"]}`, `{"ids":["1vNDqi-0000Gx-2A"],"all":true}`,
		`["1vNDqi-0000Gx-2A"]`, `{"ids":["all"]}`, `{"ids":["1vNDqi-0000Gx-2A all"]}`, `{"select":""}`, `{"domain":[]}`, `{"domain":{"a":1}}`, `{"domian":"x"}`, `{"select":"domian=x"}`,
		`{"select":"all","max":-1}`, `{"select":"all","reason":"` + strings.Repeat("x", 201) + `"}`, `{"dry_run":true}`,
		`{"ids":["1vNDqi-0000Gx-2A"]} {"ids":[]}`, `{"ids":["1vNDqi-0000Gx-2A","x"]}`, "\x1f\x8b\x08"} {
		if code, _ := ask(t, web, "POST", "/api/v1/queue/remove", body, bearer...); code != 400 {
			t.Errorf("%s: %d, want 400", body, code)
		}
	}
	if len(d.acts) != 0 {
		t.Errorf("done: %v", d.acts)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "admin.token")
	made, err := EnsureToken(file)
	if err != nil || len(made) != 2*tokenBytes {
		t.Fatalf("%q %v", made, err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600 (%v)", st.Mode(), err)
	}
	if again, err := EnsureToken(file); err != nil || again != made {
		t.Errorf("read back: %q %v, want %q", again, err, made)
	}
	if other, _ := EnsureToken(file + "2"); other == made {
		t.Error("two tokens are the same")
	}
	for content, want := range map[string]string{"": "remove it", "short": "remove it", strings.Repeat("two words ", 4): "one word"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := EnsureToken(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v does not say %q", content, err, want)
		}
	}
	os.Chmod(file, 0o644)
	if _, err := EnsureToken(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by all: %v", err)
	}
	if _, err := EnsureToken(t.TempDir()); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder: %v", err)
	}
}

func FuzzSelector(f *testing.F) {
	f.Add(`{"ids":["1vNDqi-0000Gx-2A"]}`)
	f.Add(`{"ids":["../../etc/passwd"]}`)
	f.Add(`{"ids":[null]}`)
	f.Add(`{"select":"domain=*.example age>2h","dry_run":true,"from":7}`)
	f.Add(`{"domain":["*.example","x"],"age":">2h","error":"~timed out"}`)
	f.Fuzz(func(t *testing.T, body string) {
		_, s, err := readRequest(strings.NewReader(body))
		if (s == nil) == (err == nil) {
			t.Errorf("%v %v", s, err)
		}
		if s != nil && s.String() == "" {
			t.Error("nobody is named, and no error")
		}
	})
}
