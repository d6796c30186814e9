package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mtad/internal/auth"
	"mtad/internal/load"
	"mtad/test/interop/peer"
)

// Mail between two mtad over one connection: a fresh actor, a TLS session and an
// AUTH for each message. All must come once, in order, resumed from the second
// on; what the two hold at the end is compared with what they held after a tenth.

const authHandovers = 10_000

// authWays are how the first mtad says who it is.
var authWays = []struct{ mechanism, driver string }{
	{"SCRAM-SHA-256-PLUS", "scram"},
	{"PLAIN", "plaintext"},
}

func authHandover(dir, bin string, n int) error {
	fmt.Printf("%s\n\n| AUTH | messages | msg/s | CPU-ms a message, client / server | goroutines | descriptors | RSS, client / server |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n", machine())
	for _, way := range authWays {
		home, err := os.MkdirTemp(dir, "auth-")
		if err != nil {
			return err
		}
		p := &authPair{mechanism: way.mechanism, driver: way.driver}
		row, err := p.run(home, bin, max(20, n))
		p.stop()
		os.RemoveAll(home)
		if err != nil {
			return fmt.Errorf("%s: %w", way.mechanism, err)
		}
		fmt.Println(row)
	}
	return nil
}

// authPair is the client, the server, and the sink behind them.
type authPair struct {
	mechanism, driver string
	client, server    *peer.Mtad
	sink              *load.Sink

	mu         sync.Mutex
	sent, came []string // ids, in order
}

func (p *authPair) stop() {
	for _, m := range []*peer.Mtad{p.client, p.server} {
		if m != nil {
			m.Kill()
		}
	}
	if p.sink != nil {
		p.sink.Close()
	}
}

func (p *authPair) start(dir, bin string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.sink = &load.Sink{Verify: true, Record: func(e load.Entry) { p.note(&p.came, e) }}
	go p.sink.Serve(l)
	users := filepath.Join(dir, "users.toml")
	if err := auth.AddUser(users, "relay", "a secret of the bench", false); err != nil {
		return err
	}
	name := ""
	if p.driver == "plaintext" {
		name = fmt.Sprintf("public_name = %q\n", p.mechanism)
	}
	serverDir, clientDir := filepath.Join(dir, "server"), filepath.Join(dir, "client")
	for _, d := range []string{serverDir, clientDir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	p.server, err = peer.StartMtad(bin, serverDir, &peer.MtadConfig{NextHop: l.Addr().String(), Connections: 1,
		Options: "auth_hosts = \"*\"\nauth_over_tls_hosts = \"*\"\nhost_auth_accept_relay = \"*\"\ntls_advertise_hosts = \"*\"\ntls_certificate = \"self-signed\"\n" +
			fmt.Sprintf("[[authenticator]]\nname = \"relays\"\ndriver = %q\n%sserver_users = %q\n", p.driver, name, users),
		Transport: "batch_max = 1000000\n"})
	if err != nil {
		return err
	}
	p.client, err = peer.StartMtad(bin, clientDir, &peer.MtadConfig{NextHop: p.server.Addr, Connections: 1,
		Options:   fmt.Sprintf("[[authenticator]]\nname = \"hop\"\ndriver = %q\n%sclient_name = \"relay\"\nclient_secret = \"a secret of the bench\"\n", p.driver, name),
		Transport: "batch_max = 10000\nconnection_linger = \"1m\"\ntls_groups = \"X25519\"\nhosts_require_tls = \"*\"\nhosts_require_auth = \"*\"\n"})
	return err
}

func (p *authPair) note(ids *[]string, e load.Entry) {
	if e.Fate == load.Intent || e.Fate == load.Got {
		p.mu.Lock()
		*ids = append(*ids, e.ID)
		p.mu.Unlock()
	}
}

// run sends a tenth, looks at both, sends the rest and looks again.
func (p *authPair) run(dir, bin string, n int) (row string, err error) {
	if err := p.start(dir, bin); err != nil {
		return "", err
	}
	if err := p.send(n / 10); err != nil {
		return "", err
	}
	before, err := p.look()
	if err != nil {
		return "", err
	}
	began := time.Now()
	if err := p.send(n - n/10); err != nil {
		return "", err
	}
	took := time.Since(began)
	after, err := p.look()
	if err != nil {
		return "", err
	}
	if err := p.judge(n, &before, &after); err != nil {
		return "", err
	}
	rest := float64(n - n/10)
	perMessage := func(i int) float64 { return (after[i].cpu - before[i].cpu).Seconds() * 1000 / rest }
	return fmt.Sprintf("| %s | %d | %.0f | %.2f / %.2f | %d → %d, %d → %d | %d → %d, %d → %d | %d → %d MB, %d → %d MB |", p.mechanism, n, rest/took.Seconds(),
		perMessage(0), perMessage(1),
		before[0].goroutines, after[0].goroutines, before[1].goroutines, after[1].goroutines,
		before[0].files, after[0].files, before[1].files, after[1].files,
		before[0].rss>>20, after[0].rss>>20, before[1].rss>>20, after[1].rss>>20), nil
}

// send submits n messages in one session and waits until the sink has them.
func (p *authPair) send(n int) error {
	want := p.sink.Totals().Messages + int64(n)
	sender := load.Sender{To: p.client.Addr, Sessions: 1, Messages: n, Size: kb10, Rcpts: 1, From: "from@load.test", Rcpt: "to%d@load.test",
		Helo: "load.test", Pipelining: true, Record: func(e load.Entry) { p.note(&p.sent, e) }}
	if sum := sender.Run(context.Background()); sum.Failed > 0 {
		return fmt.Errorf("%d messages were not taken: %v", sum.Failed, sum.Errors)
	}
	for end := time.Now().Add(patience); p.sink.Totals().Messages < want; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%d messages of %d came within %s", p.sink.Totals().Messages, want, patience)
		}
	}
	time.Sleep(300 * time.Millisecond) // what is done behind the last reply
	return nil
}

// held is what a process has and has used.
type held struct {
	goroutines int64
	files      int // descriptors
	rss        int64
	cpu        time.Duration
	page       string // its metrics
}

// look looks at the client, then at the server.
func (p *authPair) look() (both [2]held, err error) {
	for i, m := range []*peer.Mtad{p.client, p.server} {
		h := &both[i]
		if h.page, err = metricsOf(m.Admin); err != nil {
			return both, err
		}
		used, err := peer.ProcessUsage(m.PID())
		if err != nil {
			return both, err
		}
		h.cpu, h.rss = used.CPU, steadyRSS(m.PID())
		h.goroutines = sample(h.page, "go_goroutines")
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.PID()))
		if err != nil {
			return both, err
		}
		h.files = len(files)
	}
	return both, nil
}

func metricsOf(admin string) (string, error) {
	r, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	return string(page), err
}

// sample is the sum of the metrics whose line matches the pattern and a number.
func sample(page, pattern string) (sum int64) {
	for _, m := range regexp.MustCompile(`(?m)^`+pattern+` (\d+)$`).FindAllStringSubmatch(page, -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		sum += n
	}
	return sum
}

// judge says what is not as it must be.
func (p *authPair) judge(n int, before, after *[2]held) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var faults []string
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if t := p.sink.Totals(); t.Corrupt+t.Unverified+t.Duplicates > 0 || len(p.came) != n {
		wrong("the sink got %d messages, %d corrupt, %d duplicates, %d without checksum", len(p.came), t.Corrupt, t.Duplicates, t.Unverified)
	}
	if !slices.Equal(p.sent, p.came) {
		wrong("they did not come in the order they were sent in")
	}
	client, server := after[0].page, after[1].page
	if got := sample(client, `mtad_handoffs_total{result="resumed"}`); got != int64(n-1) {
		wrong("%d hand-overs resumed their session, not %d", got, n-1)
	}
	auths := `mtad_auth_total{side="%s",mechanism="` + p.mechanism + `",result="(?:ok|done)"}`
	if out, in := sample(client, fmt.Sprintf(auths, "client")), sample(server, fmt.Sprintf(auths, "server")); out != int64(n) || in != int64(n) {
		wrong("%d times AUTH by the client, %d by the server", out, in)
	}
	if got := sample(server, `mtad_smtp_connections_total{.*}`); got > 2 { // one is whoever waited for its start
		wrong("%d connections", got)
	}
	for i, who := range []string{"client", "server"} {
		b, a := before[i], after[i]
		if a.goroutines > b.goroutines+10 || a.files > b.files+5 || a.rss > b.rss+32<<20 {
			wrong("the %s holds %d goroutines, %d descriptors, %d MB; %d, %d, %d MB after a tenth", who, a.goroutines, a.files, a.rss>>20, b.goroutines, b.files, b.rss>>20)
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s", strings.Join(faults, "; "))
	}
	return nil
}
