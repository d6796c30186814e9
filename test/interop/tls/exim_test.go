//go:build interop

package tls

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"mtad/test/interop/peer"
)

// Exim 4.96 ends TLS after each message and hands the connection on to a new
// process, which says STARTTLS straight away: ten messages are one TCP
// connection and ten TLS sessions, and Exim waits for none of our close_notify
// (it would wait 2 s).
func TestEximTenSessionsOnOneConnection(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("Exim in a mount namespace of its own needs root")
	}
	var trees []string
	for _, name := range []string{"exim4-daemon-light", "libidn12"} {
		tree, err := peer.Package(name)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree)
	}
	for version, priority := range map[string]string{"TLSv1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLSv1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"} {
		t.Run(version, func(t *testing.T) {
			mtad, dir := relay(t)
			_, port, err := net.SplitHostPort(mtad.Addr)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("unshare", "-m", "sh", "testdata/exim.sh", trees[0], trees[1], dir, port, priority).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			delivered := regexp.MustCompile(`=> b\d+@y\.example .*\]:`+port+`(\*?) I=(\S+) X=TLS`+version[4:]+`:`).FindAllStringSubmatch(string(out), -1)
			continued, interfaces := 0, map[string]bool{}
			for _, d := range delivered {
				interfaces[d[2]] = true
				continued += len(d[1])
			}
			if len(delivered) != 10 || continued != 9 || len(interfaces) != 1 {
				t.Errorf("%d delivered, %d of them on a connection handed on, from %d sockets:\n%s", len(delivered), continued, len(interfaces), out)
			}
			if took := queueRun(t, string(out)); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			mainlog(t, dir, "<= a@x.example H=(exim.test)", "P=esmtps X="+version+":")
			page := scrape(t, mtad.Admin)
			if !regexp.MustCompile(`mtad_tls_handshakes_total\{side="server",version="`+version+`",.*result="ok"\} 10\n`).MatchString(page) ||
				!regexp.MustCompile(`mtad_smtp_connections_total\{.*\} [12]\n`).MatchString(page) { // 2: that of who waited for the start
				t.Errorf("not ten handshakes on one connection:\n%s", page)
			}
		})
	}
}

// queueRun is how long the queue run took, by Exim's log.
func queueRun(t *testing.T, log string) time.Duration {
	t.Helper()
	var at []time.Time
	for _, m := range regexp.MustCompile(`(\d\d:\d\d:\d\d\.\d+) \[\d+\] (?:Start|End) queue run`).FindAllStringSubmatch(log, -1) {
		when, err := time.Parse("15:04:05.999", m[1])
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, when)
	}
	if len(at) != 2 {
		t.Fatalf("no queue run in\n%s", log)
	}
	return at[1].Sub(at[0])
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
