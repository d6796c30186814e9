//go:build interop

package handover

import (
	"fmt"
	"io"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mtad/test/interop/peer"
)

const (
	messages = 20
	idWord   = "number."

	handoffTimeout = time.Second // 5 s by default; here only to be quick
	linger         = 5 * time.Second
	slack          = 300 * time.Millisecond // two busy cores
)

// mode is a way to hand connections on, as options of the transport.
type mode struct{ name, options string }

var (
	byShutdown = mode{"shutdown", ""}
	byKeep     = mode{"keep", "tls_handoff = \"keep\"\n"}
	// A server that goes on is left after each message by batch_max alone.
	byReconnect = map[bool]mode{
		true:  {"reconnect", "batch_max = 1\n"},
		false: {"reconnect", "tls_handoff_fallback = \"reconnect\"\n"},
	}
)

// passage is what became of twenty messages.
type passage struct {
	took     time.Duration  // from the first connection to mtad to the last delivery
	handoffs map[string]int // mtad_handoffs_total
	sessions int            // client handshakes
	resumed  int
}

// relay sends the messages through a fresh mtad to the server, and fails the
// test unless each arrives once, in order, none deferred.
func (s *server) relay(t *testing.T, dir, addr, ciphers string, m mode) (p passage) {
	t.Helper()
	before := len(s.took(dir))
	home := t.TempDir()
	options := fmt.Sprintf("hosts_require_tls = \"*\"\nhandoff_timeout = \"%s\"\nconnection_linger = \"%s\"\n", handoffTimeout, linger)
	if ciphers != "" {
		options += fmt.Sprintf("tls_verify_ciphers = %q\n", ciphers)
	}
	mtad, err := peer.StartMtad(program(t), home, &peer.MtadConfig{NextHop: addr, Connections: 1, Transport: options + m.options})
	if err != nil {
		t.Fatal(err)
	}
	defer mtad.Kill()
	began := time.Now()
	submit(t, mtad.Addr)
	page := awaitDelivered(t, mtad, began)
	p = passage{took: time.Since(began), handoffs: map[string]int{}}
	for _, c := range counters.FindAllStringSubmatch(page, -1) {
		n, _ := strconv.Atoi(c[3])
		switch {
		case c[1] == "mtad_handoffs_total":
			p.handoffs[regexp.MustCompile(`result="(\w+)"`).FindStringSubmatch(c[2])[1]] = n
		case strings.Contains(c[2], `side="client"`) && strings.Contains(c[2], `result="ok"`):
			p.sessions += n
			if strings.Contains(c[2], `resumed="true"`) {
				p.resumed += n
			}
		}
	}
	if err := mtad.Stop(10 * time.Second); err != nil { // its log is whole then
		t.Errorf("mtad ended badly: %v\n%s", err, mtad.Output())
	}
	s.check(t, dir, home, m, before)
	return p
}

var counters = regexp.MustCompile(`(?m)^(mtad_handoffs_total|mtad_tls_handshakes_total)(\{.*\}) (\d+)$`)

// submit sends the messages to mtad in one session.
func submit(t *testing.T, addr string) {
	t.Helper()
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := range messages {
		err := c.Mail("a@x.example")
		if err == nil {
			err = c.Rcpt("b@y.example")
		}
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "Message-ID: <%s%d@handover.test>\r\nFrom: a@x.example\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nSubject: %d\r\n\r\nhello\r\n", idWord, n, n)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitDelivered waits until all are delivered and returns the metrics.
func awaitDelivered(t *testing.T, mtad *peer.Mtad, began time.Time) string {
	t.Helper()
	want := fmt.Sprintf("mtad_recipients_delivered_total %d\n", messages)
	for {
		page := scrape(t, mtad.Admin)
		if strings.Contains(page, want) {
			return page
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("not delivered within a minute:\n%s\n%s", page, mtad.Output())
		}
		time.Sleep(time.Millisecond)
	}
}

func scrape(t *testing.T, addr string) string {
	t.Helper()
	r, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// check looks at what arrived, and at what mtad says of it.
func (s *server) check(t *testing.T, dir, home string, m mode, before int) {
	t.Helper()
	var want []string
	for n := range messages {
		want = append(want, strconv.Itoa(n))
	}
	var got []string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // a log may lag
		if got = s.took(dir)[before:]; len(got) >= messages {
			break
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s, %s: arrived: %s", s.name, m.name, strings.Join(got, " "))
	}
	log, err := os.ReadFile(filepath.Join(home, "log", "mainlog"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), " => b@y.example "); n != messages || strings.Contains(string(log), " == ") || strings.Contains(string(log), " ** ") {
		t.Errorf("%s, %s: mtad's log has %d deliveries:\n%s", s.name, m.name, n, log)
	}
}

var program = func() func(t *testing.T) string {
	build := sync.OnceValues(func() (string, error) {
		dir, err := peer.TempDir()
		if err != nil {
			return "", err
		}
		built = dir
		return peer.BuildMtad(dir, "")
	})
	return func(t *testing.T) string {
		t.Helper()
		bin, err := build()
		if err != nil {
			t.Fatal(err)
		}
		return bin
	}
}()

var built string // the folder of the program, removed at the end
