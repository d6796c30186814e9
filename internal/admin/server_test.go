package admin

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// methodPath turns a row's pattern into something that can be asked.
func methodPath(r route) (string, string) {
	method, path, _ := strings.Cut(r.pattern, " ")
	path = strings.Replace(path, "{$}", "", 1)
	return method, strings.Replace(path, "{id}", "1vNDqi-0000Gx-2A", 1)
}

// AM-01: what is open without the token is listed here by name; all other rows
// of the router answer 401. A new row is tested without being added here.
func TestWithoutTokenNothingButCounts(t *testing.T) {
	t.Parallel()
	open := map[string]bool{"GET /{$}": true, "GET /metrics": true, "GET /healthz": true, "GET /readyz": true, "GET /api/v1/status": true}
	d := newFake()
	s, web, _ := serve(t, d, testToken)
	for _, r := range s.routes() {
		method, path := methodPath(r)
		for _, header := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", "Basic " + testToken},
			{"Authorization", testToken}, {"Authorization", "Bearer "}, {"Authorization", "Bearer " + testToken + "x"}} {
			code, body := ask(t, web, method, path, `{"ids":["1vNDqi-0000Gx-2A"]}`, header...)
			if want := map[bool]int{true: 200, false: 401}[open[r.pattern]]; code != want {
				t.Errorf("%s with %q: %d, want %d", r.pattern, header, code, want)
			}
			if strings.Contains(body, canary) || strings.Contains(body, "y.example") {
				t.Errorf("%s shows an address without the token: %s", r.pattern, body)
			}
		}
	}
	if len(d.acts) > 0 || d.drained > 0 {
		t.Errorf("done without the token: %v, %d drains", d.acts, d.drained)
	}
}

func TestWithTokenAllAnswers(t *testing.T) {
	t.Parallel()
	s, web, _ := serve(t, newFake(), testToken)
	for _, r := range s.routes() {
		method, path := methodPath(r)
		in := `{"ids":["1vNDqi-0000Gx-2A"]}`
		if strings.HasSuffix(path, "/forget") {
			in = `{"host":"mx.y.example"}`
		}
		if strings.HasSuffix(path, "/reroute") {
			in = `{"select":"all","to":"router=backup"}`
		}
		if strings.HasSuffix(path, "/suspend") || strings.HasSuffix(path, "/resume") {
			in = `{"scope":"all"}`
		}
		if code, body := ask(t, web, method, path, in, bearer...); code/100 != 2 {
			t.Errorf("%s: %d %s", r.pattern, code, body)
		}
	}
}

func TestWithoutTokenFileThatPartIsOff(t *testing.T) {
	t.Parallel()
	s, web, _ := serve(t, newFake(), "")
	for _, r := range s.routes() {
		method, path := methodPath(r)
		for _, header := range [][]string{nil, {"Authorization", "Bearer "}, bearer} {
			code, _ := ask(t, web, method, path, "", header...)
			if want := map[bool]int{true: 200, false: 404}[r.open]; code != want {
				t.Errorf("%s with %q: %d, want %d", r.pattern, header, code, want)
			}
		}
	}
}

// AM-03, AM-07.
func TestOtherMethodsAndPaths(t *testing.T) {
	t.Parallel()
	_, web, _ := serve(t, newFake(), testToken)
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/metrics", 405}, {"TRACE", "/metrics", 405}, {"GET", "/api/v1/drain", 405}, {"DELETE", "/api/v1/queue/1vNDqi-0000Gx-2A", 405},
		{"BREW", "/", 405}, {"HEAD", "/healthz", 200},
		{"GET", "/debug/pprof/", 404}, {"GET", "/debug/vars", 404}, {"GET", "/api/v1/", 404}, {"GET", "/x", 404},
	} {
		if code, _ := ask(t, web, test.method, test.path, "", bearer...); code != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, code, test.want)
		}
	}
}

// AM-05.
func TestForeignHostAndOrigin(t *testing.T) {
	t.Parallel()
	_, web, _ := serve(t, newFake(), testToken)
	for _, test := range []struct {
		host, origin string
		want         int
	}{
		{"evil.test", "", 403}, {"evil.test:9925", "", 403}, {"127.0.0.1.evil.test", "", 403}, {"localhost.evil.test:9925", "", 403},
		{"localhost:9925", "", 200}, {"LOCALHOST", "", 200}, {"127.0.0.1:9925", "", 200}, {"[::1]:9925", "", 200}, {"192.0.2.5", "", 200},
		{"relay.example.net:9925", "", 200},
		{"localhost:9925", "http://localhost:9925", 200}, {"localhost:9925", "http://evil.test", 403}, {"localhost:9925", "null", 403},
		{"localhost:9925", "https://localhost:9925", 403}, {"localhost:9925", "http://localhost:80", 403},
	} {
		header := append([]string{"Host", test.host}, bearer...)
		if test.origin != "" {
			header = append(header, "Origin", test.origin)
		}
		if code, _ := ask(t, web, "GET", "/api/v1/queue", "", header...); code != test.want {
			t.Errorf("Host %q, Origin %q: %d, want %d", test.host, test.origin, code, test.want)
		}
	}
}

// AM-09: guesses beyond the bound are turned away at once, and who has the
// token is not held up by them.
func TestGuessingIsSlow(t *testing.T) {
	t.Parallel()
	s, web, log := serve(t, newFake(), testToken)
	for range maxWaiting {
		s.guard.waiting <- struct{}{} // as many as may wait
	}
	if code, _ := ask(t, web, "GET", "/api/v1/queue", "", "Authorization", "Bearer guess"); code != 429 {
		t.Errorf("one guess too many: %d, want 429", code)
	}
	if code, _ := ask(t, web, "GET", "/api/v1/queue", "", bearer...); code != 200 {
		t.Errorf("with the token: %d, want 200", code)
	}
	if text := log(); !strings.Contains(text, "admin: refused to 127.0.0.1:") || strings.Contains(text, "guess") {
		t.Errorf("log: %s", text)
	}
	if newGuard(Options{}).delay != wrongDelay {
		t.Error("outside of tests nothing is slow")
	}
}

// DO-11.
func TestLimits(t *testing.T) {
	t.Parallel()
	s, web, _ := serve(t, newFake(), testToken)
	big := `{"ids":["1vNDqi-0000Gx-2A"` + strings.Repeat(" ", maxBody) + `]}`
	if code, _ := ask(t, web, "POST", "/api/v1/queue/remove", big, bearer...); code != 413 {
		t.Errorf("a body of %d bytes: %d, want 413", len(big), code)
	}
	if h := s.http; h.ReadHeaderTimeout == 0 || h.ReadTimeout == 0 || h.WriteTimeout == 0 || h.IdleTimeout == 0 || h.MaxHeaderBytes != maxHeader {
		t.Error("a slow or large client is not bounded")
	}
}

// A real server on a real socket: serves, and ends when it is closed.
func TestServeAndClose(t *testing.T) {
	t.Parallel()
	s, _, _ := serve(t, newFake(), testToken)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	answer, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%v %v", answer, err)
	}
	answer.Body.Close()
	s.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// AM-06.
func TestHeadersOfThePage(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.notReady = `<b>spool is full</b>`
	_, web, _ := serve(t, d, testToken)
	code, body, h := askAll(t, web, "GET", "/", "")
	if code != 200 || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", code, h)
	}
	if strings.Contains(body, "<b>") || !strings.Contains(body, "&lt;b&gt;spool is full") {
		t.Errorf("not escaped: %s", body)
	}
	for _, want := range []string{"mtad 1.0", "<td>deferred</td><td>3</td>", "<td>smtp</td><td>5</td>", "1h0m0s"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
	if !strings.Contains(body, "<style>"+pageStyle+"</style>") {
		t.Error("the style sheet differs from the one that the policy allows")
	}
}

// AM-08: two at a time, and again.
func TestActsAtTheSameTime(t *testing.T) {
	t.Parallel()
	d := newFake()
	_, web, log := serve(t, d, testToken)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if code, body := ask(t, web, "POST", "/api/v1/queue/freeze", `{"ids":["1vNDqi-0000Gx-2A"]}`, bearer...); code != 200 {
				t.Errorf("%d %s", code, body)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(log(), "admin: freeze 1vNDqi-0000Gx-2A by token 127.0.0.1:"); n != 8 || len(d.acts) != 8 {
		t.Errorf("%d audit lines for %d acts, want 8", n, len(d.acts))
	}
}

func TestReadyAndAlive(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"", "draining", "spool is poisoned by a failed sync", "spool is full"} {
		d := newFake()
		d.notReady = reason
		_, web, _ := serve(t, d, "")
		if code, body := ask(t, web, "GET", "/healthz", ""); code != 200 || body != "alive\n" {
			t.Errorf("%q: healthz %d %q", reason, code, body)
		}
		want := "503 " + reason + "\n"
		if reason == "" {
			want = "200 ready\n"
		}
		code, body := ask(t, web, "GET", "/readyz", "")
		if got := fmt.Sprintf("%d %s", code, body); got != want {
			t.Errorf("readyz: %q, want %q", got, want)
		}
	}
}
