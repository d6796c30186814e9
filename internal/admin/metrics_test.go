package admin

import (
	"bufio"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var sampleForm = regexp.MustCompile(`^([a-z_]+)(\{([a-z]+="[^"]*",?)+\})? (\S+)$`)

// Every mtad_ metric that is served stands in the table, with HELP and TYPE
// before its first sample, once; and nothing that names a person is served (AM-04).
func TestMetricsAreInTheTable(t *testing.T) {
	t.Parallel()
	ObserveCommit(5*time.Millisecond, 3)
	_, web, _ := serve(t, newFake(), testToken)
	code, body, h := askAll(t, web, "GET", "/metrics", "")
	if code != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %v", code, h)
	}
	described := map[string]bool{}
	for in := bufio.NewScanner(strings.NewReader(body)); in.Scan(); {
		line := in.Text()
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ = strings.Cut(name, " ")
			if described[name] {
				t.Errorf("%s is described twice", name)
			}
			described[name] = true
		}
		if !strings.HasPrefix(line, "mtad_") {
			continue
		}
		m := sampleForm.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("not in Prometheus' format: %s", line)
			continue
		}
		if _, err := strconv.ParseFloat(m[4], 64); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if row, ok := describe(m[1]); !ok {
			t.Errorf("%s is not in the table", m[1])
		} else if !described[row.Name] {
			t.Errorf("%s has no TYPE before it", line)
		}
	}
	for _, want := range []string{
		`mtad_queue_messages{state="ready"} 1`, `mtad_queue_messages{state="active"} 2`, `mtad_queue_messages{state="deferred"} 3`,
		`mtad_queue_messages{state="frozen"} 4`, `mtad_queue_recipients 11`, `mtad_delivery_connections{transport="smtp"} 5`,
		`mtad_spool_bytes 4096`, `mtad_handoff_hosts_remembered 6`, `mtad_build_info{version="1.0",goversion="go`,
		`mtad_spool_commit_seconds_bucket{le="0.005"}`, "mtad_queue_oldest_seconds 3600", "mtad_log_lines_dropped_total ",
		"go_goroutines ", "process_cpu_seconds_total ",
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("no %s in:\n%s", want, body)
		}
	}
	if strings.Contains(body, canary) || strings.Contains(body, "vmrange") {
		t.Error("an address or a foreign histogram is served")
	}
}

// AM-11: where the queue does not answer, a scrape shows what it said last.
func TestScrapeOfABusyQueue(t *testing.T) {
	t.Parallel()
	d := newFake()
	_, web, _ := serve(t, d, testToken)
	ask(t, web, "GET", "/metrics", "")
	d.stuck = true
	begun := time.Now()
	_, body := ask(t, web, "GET", "/metrics", "")
	if took := time.Since(begun); took > 5*time.Second { // a second, and a slow machine
		t.Errorf("the scrape took %v", took)
	}
	if !strings.Contains(body, "mtad_queue_recipients 11\n") {
		t.Error("the last counts are not shown")
	}
}

func TestReloadsAreCounted(t *testing.T) {
	_, web, _ := serve(t, newFake(), testToken)
	for _, test := range []struct {
		err  error
		want string
	}{{errors.New("x"), "mtad_config_last_reload_successful 0\n"}, {nil, "mtad_config_last_reload_successful 1\n"}} {
		ObserveReload(test.err)
		if _, body := ask(t, web, "GET", "/metrics", ""); !strings.Contains(body, test.want) {
			t.Errorf("after %v no %s", test.err, test.want)
		}
	}
	if reloadsDone.Get() == 0 || reloadsFailed.Get() == 0 {
		t.Error("reloads are not counted")
	}
}

// What SPEC names is in the table, and the table is well formed.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range MetricsTable() {
		if seen[m.Name] {
			t.Errorf("%s stands there twice", m.Name)
		}
		seen[m.Name] = true
		if (m.Type == "counter") != strings.HasSuffix(m.Name, "_total") || !strings.HasSuffix(m.Help, ".") || strings.ContainsAny(m.Help, "\n|") {
			t.Errorf("%+v", m)
		}
	}
	var b strings.Builder
	if err := WriteMetricsReference(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n| `mtad_"); n != len(MetricsTable()) {
		t.Errorf("%d rows in the reference, %d in the table", n, len(MetricsTable()))
	}
	if !strings.Contains(b.String(), "`state=ready\\|active") {
		t.Errorf("a label breaks the reference's table:\n%s", b.String())
	}
}
