//go:build interop

package handover

import (
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mtad/test/interop/peer"
)

var (
	slow  = flag.Bool("slow", false, "try the slow servers as well")
	write = flag.Bool("write", false, "write the table into docs/interop.md; means -slow")
)

// cipherLists make mtad speak one version.
var cipherLists = map[uint16]string{
	tls.VersionTLS12: "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
	tls.VersionTLS13: "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
}

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	os.RemoveAll(built)
	os.Exit(status)
}

// row is a line of the table.
type row struct {
	server                    *server
	version                   uint16
	saw                       finding
	shutdown, keep, reconnect passage
}

// TestHandOver: whatever a server does after TLS was shut down, all messages
// reach it once and in order over max_connections = 1, none is deferred, and
// handing connections on is no slower than a new connection for each message.
func TestHandOver(t *testing.T) {
	var rows []row
	for i := range servers {
		s := &servers[i]
		if s.slow && !*slow && !*write {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				t.Run(tls.VersionName(version), func(t *testing.T) { rows = append(rows, s.measure(t, version)) })
			}
		})
	}
	text := table(rows)
	t.Log("\n" + text)
	if *write && !t.Failed() {
		if err := writeTable("../../../docs/interop.md", text); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *server) measure(t *testing.T, version uint16) row {
	dir, err := peer.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	addr := s.run(t, dir)
	r := row{server: s, version: version, saw: probe(t, addr, version)}
	r.shutdown = s.relay(t, dir, addr, cipherLists[version], byShutdown)
	r.keep = s.relay(t, dir, addr, cipherLists[version], byKeep)
	r.reconnect = s.relay(t, dir, addr, cipherLists[version], byReconnect[r.saw.goesOn])
	r.check(t)
	return r
}

// check wants mtad to have done what the options say, and no wait in it.
func (r *row) check(t *testing.T) {
	h := r.shutdown.handoffs
	switch {
	case r.saw.goesOn && (h["resumed"]+h["full"] != messages-1 || h["refused"] > 0):
		t.Errorf("it goes on, but hand-overs were %v", h)
	case !r.saw.goesOn && (h["refused"] != 1 || h["kept"] != messages-2):
		t.Errorf("it does not go on, and hand-overs were %v", h)
	case r.keep.handoffs["kept"] != messages-1 || r.keep.sessions != 1:
		t.Errorf("keep: %v in %d TLS sessions", r.keep.handoffs, r.keep.sessions)
	case r.reconnect.sessions != messages:
		t.Errorf("reconnect: %d TLS sessions", r.reconnect.sessions)
	}
	limit := r.reconnect.took + slack
	if r.server.silent { // once, and in reconnect too
		limit = r.keep.took + handoffTimeout + slack
	}
	if r.shutdown.took > limit {
		t.Errorf("by shutdown %s, by keeping %s, with a new connection for each %s", r.shutdown.took, r.keep.took, r.reconnect.took)
	}
	if r.saw.atBest > 35*time.Millisecond { // whatever else the machine does
		t.Errorf("a hand-over takes %s at best: somebody waits for a delayed acknowledgement", r.saw.atBest)
	}
	if r.keep.took > r.reconnect.took+slack {
		t.Errorf("by keeping %s, with a new connection for each %s", r.keep.took, r.reconnect.took)
	}
}

const head = "| server | version | TLS | after close_notify | resumes | a hand-over: shutdown / new connection | 20 messages: shutdown / keep / reconnect | what mtad does |\n" +
	"| --- | --- | --- | --- | --- | ---: | ---: | --- |\n"

// table is the date, the machine's share in it, and a row for each server and
// version.
func table(rows []row) string {
	var b strings.Builder
	openssl, _ := exec.Command("openssl", "version").Output()
	fmt.Fprintf(&b, "%s; the machine's OpenSSL is %s\n\n%s", time.Now().Format(time.DateOnly), strings.TrimSpace(string(openssl)), head)
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s / %s ms | %s / %s / %s ms | %s |\n", r.server.name, r.server.versionOf(), strings.TrimPrefix(tls.VersionName(r.version), "TLS "),
			r.saw.after, map[bool]string{true: "yes", false: "no"}[r.saw.resumes], millis(r.saw.shutdown), millis(r.saw.reconnect),
			millis(r.shutdown.took), millis(r.keep.took), millis(r.reconnect.took), r.does())
	}
	return b.String()
}

// does tells it in words, from mtad's own counters.
func (r *row) does() string {
	h := r.shutdown.handoffs
	if r.saw.goesOn {
		return fmt.Sprintf("shuts TLS down for each message: %d TLS sessions on one connection, %d resumed", r.shutdown.sessions, r.shutdown.resumed)
	}
	return fmt.Sprintf("learns it at the first hand-over, sends that message on a new connection at once, hands %d on with their TLS session", h["kept"])
}

func millis(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", d.Seconds()*1000)
}

// The table stands between these lines of the page.
const (
	tableStart = "<!-- interop: written by go test -tags interop ./test/interop/handover -args -write -->\n"
	tableEnd   = "<!-- /interop -->\n"
)

func writeTable(file, text string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(page), tableStart)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the table: %q and %q", file, tableStart, tableEnd)
	}
	return os.WriteFile(file, []byte(before+tableStart+text+tableEnd+after), 0o644)
}
