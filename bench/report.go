package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"mtad/internal/load"
	"mtad/test/interop/peer"
)

// result is one measured row.
type result struct {
	scenario scenario
	relay    string
	elapsed  time.Duration // from the first connection to the last message at the next hop, or the last 250
	used     peer.Usage
	dot, hop load.Latency
}

func (r *result) rate() float64 { return float64(r.scenario.messages) / r.elapsed.Seconds() }

// cpu is milliseconds of CPU a message.
func (r *result) cpu() float64 {
	return r.used.CPU.Seconds() * 1000 / float64(r.scenario.messages)
}

// written is bytes to the disk for each byte of mail.
func (r *result) written() float64 {
	return float64(r.used.Written) / float64(r.scenario.messages) / float64(r.scenario.size)
}

const tableHead = "| scenario | relay | messages | msg/s | CPU-ms a message | dot to 250, p50 / p99 | MAIL to next hop, p50 / p99 | bytes written a byte | peak RSS |\n" +
	"| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"

// row is a line of the table; among others it finds the Postfix to compare with.
func (r *result) row(others []result) string {
	rate, cpu := fmt.Sprintf("%.1f", r.rate()), fmt.Sprintf("%.3f", r.cpu())
	if limit := r.scenario.limit(); limit > 0 {
		rate += fmt.Sprintf(" (%.0f %% of the possible %.0f)", 100*r.rate()/limit, limit)
	}
	if p := beside(r, others); p != nil {
		rate += fmt.Sprintf(" (× %.1f)", r.rate()/p.rate())
		cpu += fmt.Sprintf(" (1/%.1f)", p.cpu()/r.cpu())
	}
	rss := "–"
	if r.used.PeakRSS > 0 {
		rss = fmt.Sprintf("%d MB", r.used.PeakRSS>>20)
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %s | %s | %.2f | %s |", r.scenario.name, r.relay, r.scenario.messages,
		rate, cpu, pair(r.dot), pair(r.hop), r.written(), rss)
}

// beside is what Postfix did in the same scenario, for mtad's row.
func beside(r *result, others []result) *result {
	for i := range others {
		if o := &others[i]; !isPostfix(r.relay) && isPostfix(o.relay) && o.scenario.name == r.scenario.name {
			return o
		}
	}
	return nil
}

func pair(l load.Latency) string {
	if l.Count == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f / %.2f ms", l.P50.Seconds()*1000, l.P99.Seconds()*1000)
}

// report is a table with what its figures depend on; "" without any.
func report(results []result) string {
	if len(results) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s\n\n%s", time.Now().Format(time.DateOnly), machine(), runtime.Version(), tableHead)
	for i := range results {
		b.WriteString(results[i].row(results) + "\n")
	}
	return b.String()
}

// machine is what the figures depend on, in one line.
func machine() string {
	cpu := field("/proc/cpuinfo", "model name")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d × %s, %s memory, Linux %s", runtime.NumCPU(), cpu, field("/proc/meminfo", "MemTotal"), strings.TrimSpace(string(kernel)))
}

func field(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// A section is a table in the file; it stands between its lines, and what is
// around them is written by hand.
type section struct {
	name string
	tls  bool
}

var sections = []section{{"bench", false}, {"bench tls", true}}

func (sec section) start() string {
	return "<!-- " + sec.name + ": written by go run ./bench -write -->\n"
}
func (sec section) end() string { return "<!-- /" + sec.name + " -->\n" }

// of are the results that stand in the section.
func (sec section) of(results []result) (own []result) {
	for _, r := range results {
		if (r.scenario.tls != nil) == sec.tls {
			own = append(own, r)
		}
	}
	return own
}

// writeSection replaces the table in a file, or adds it to one that has none.
func writeSection(file string, sec section, text string) error {
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(file, []byte(sec.replace(string(old), text)), 0o644)
}

func (sec section) replace(old, text string) string {
	whole := sec.start() + text + sec.end()
	before, rest, found := strings.Cut(old, sec.start())
	_, after, ended := strings.Cut(rest, sec.end())
	switch {
	case found && ended:
		return before + whole + after
	case old != "":
		return old + "\n" + whole
	}
	return "# How fast it is\n\n" + whole
}
