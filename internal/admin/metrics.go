package admin

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Counters stand beside the code that counts; here are only those of what is
// below or beside every package that could count them, and the gauges, which
// are asked for at each scrape.

var (
	commitsTotal   = metrics.NewCounter("mtad_spool_commits_total")
	commitSeconds  = metrics.NewPrometheusHistogramExt("mtad_spool_commit_seconds", []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30})
	commitMessages = metrics.NewPrometheusHistogramExt("mtad_spool_commit_messages", []float64{0, 1, 2, 4, 8, 16, 32, 64, 128})

	reloadsDone   = metrics.NewCounter(`mtad_config_reloads_total{result="done"}`)
	reloadsFailed = metrics.NewCounter(`mtad_config_reloads_total{result="failed"}`)
	reloadBad     atomic.Bool
)

// ObserveCommit counts one commit of the spool: how long its caller waited and
// how many messages it brought. It is given to spool.Options.
func ObserveCommit(took time.Duration, messages int) {
	commitsTotal.Inc()
	commitSeconds.Update(took.Seconds())
	commitMessages.Update(float64(messages))
}

// ObserveReload counts one reload, by HUP or by command.
func ObserveReload(err error) {
	reloadBad.Store(err != nil)
	if err != nil {
		reloadsFailed.Inc()
	} else {
		reloadsDone.Inc()
	}
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	st := s.now(r.Context())
	var b bytes.Buffer
	metrics.WritePrometheus(&b, true)
	s.writeGauges(&b, st)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	annotate(w, &b)
}

// writeGauges writes what is asked for at each scrape.
func (s *Server) writeGauges(w io.Writer, st Status) {
	gauge := func(name string, v float64) { metrics.WriteGaugeFloat64(w, name, v) }
	q := st.Queue
	gauge(`mtad_queue_messages{state="ready"}`, float64(q.Ready))
	gauge(`mtad_queue_messages{state="active"}`, float64(q.Active))
	gauge(`mtad_queue_messages{state="deferred"}`, float64(q.Deferred))
	gauge(`mtad_queue_messages{state="frozen"}`, float64(q.Frozen))
	gauge("mtad_queue_recipients", float64(q.Recipients))
	gauge("mtad_queue_oldest_seconds", age(q.Oldest).Seconds())
	gauge("mtad_queue_suspensions", float64(q.Suspensions))
	transports := make([]string, 0, len(q.Connections))
	for name := range q.Connections {
		transports = append(transports, name)
	}
	sort.Strings(transports)
	for _, name := range transports {
		gauge(fmt.Sprintf("mtad_delivery_connections{transport=%q}", name), float64(q.Connections[name]))
	}
	gauge("mtad_spool_bytes", float64(st.SpoolBytes))
	gauge("mtad_handoff_hosts_remembered", float64(st.HostsRemembered))
	good := 1.0
	if reloadBad.Load() {
		good = 0
	}
	gauge("mtad_config_last_reload_successful", good)
	gauge(fmt.Sprintf("mtad_build_info{version=%q,goversion=%q}", s.opt.Version, runtime.Version()), 1)
}

// annotate puts # HELP and # TYPE of the table before the first sample of each
// metric: the metrics library knows no help texts.
func annotate(w io.Writer, samples io.Reader) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	last := ""
	for in := bufio.NewScanner(samples); in.Scan(); {
		line := in.Text()
		if m, ok := describe(sampleName(line)); ok && m.Name != last {
			last = m.Name
			fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m.Name, m.Help, m.Name, m.Type)
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
}

// sampleName is the name of a sample line, without labels.
func sampleName(line string) string {
	if end := strings.IndexAny(line, "{ "); end >= 0 {
		return line[:end]
	}
	return line
}

// describe finds the table's row for a sample: for a histogram also by the
// names of its parts.
func describe(name string) (Metric, bool) {
	if m, ok := byName[name]; ok {
		return m, true
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if whole, ok := strings.CutSuffix(name, part); ok {
			m, ok := byName[whole]
			return m, ok && m.Type == "histogram"
		}
	}
	return Metric{}, false
}
