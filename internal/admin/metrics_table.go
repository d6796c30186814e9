package admin

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Metric is one row of what /metrics serves: the manual, and the # HELP lines.
type Metric struct {
	Name   string
	Type   string // counter, gauge, histogram
	Labels string // "side=server|client, version"; no label takes a value that a stranger can choose without bound
	Help   string // one sentence
}

// MetricsTable returns all metrics whose names begin with mtad_.
func MetricsTable() []Metric { return append([]Metric(nil), table...) }

var table = []Metric{
	{"mtad_smtp_connections", "gauge", "listener", "Incoming connections now."},
	{"mtad_smtp_connections_total", "counter", "listener", "Incoming connections accepted."},
	{"mtad_smtp_commands_total", "counter", "verb, code", "SMTP commands answered; unknown verbs are counted as one."},
	{"mtad_smtp_rejections_total", "counter", "stage, reason", "What was refused to clients, by stage of the session and reason."},
	{"mtad_messages_received_total", "counter", "", "Messages accepted: on stable storage and answered 250."},
	{"mtad_received_bytes_total", "counter", "", "Bytes of the messages accepted."},
	{"mtad_tls_handshakes_total", "counter", "side=server|client, version, cipher, resumed, result", "TLS handshakes: result is ok, unavailable (no certificate, a faulty file), or why it failed; version and cipher are empty then."},
	{"mtad_tls_handshake_seconds", "histogram", "side=server|client, resumed", "How long TLS handshakes took."},
	{"mtad_tls_certificate_expires_seconds", "gauge", "file", "Time until a certificate of ours expires; negative where it has."},
	{"mtad_auth_total", "counter", "side=server|client, mechanism, result", "AUTH exchanges; the result is done where one succeeded, on either side."},

	{"mtad_delivery_attempts_total", "counter", "transport, result=delivered|deferred|failed", "Outgoing transactions by their outcome."},
	{"mtad_delivery_seconds", "histogram", "transport", "How long outgoing transactions took."},
	{"mtad_recipients_delivered_total", "counter", "", "Recipients that the next hop took."},
	{"mtad_message_age_seconds", "histogram", "", "Time from acceptance to delivery, for each recipient."},
	{"mtad_reports_total", "counter", "kind=failed|delayed|relayed", "Bounces, delay warnings, and reports of mail relayed to hosts without DSN, that were written."},
	{"mtad_handoffs_total", "counter", "result=resumed|full|clear|kept|refused", "Connections handed on to the next message, by how TLS came again."},
	{"mtad_handoff_hosts_remembered", "gauge", "", "Hosts known not to carry on after TLS is shut down."},
	{"mtad_delivery_connections", "gauge", "transport", "Outgoing connections now."},

	{"mtad_queue_messages", "gauge", "state=ready|active|deferred|frozen", "Messages in the queue; one in several states counts in the first of active, ready, deferred, frozen."},
	{"mtad_queue_recipients", "gauge", "", "Recipients in the queue that are not accounted for yet."},
	{"mtad_queue_oldest_seconds", "gauge", "", "Age of the oldest message in the queue; 0 where there is none."},
	{"mtad_queue_suspensions", "gauge", "", "Suspensions of domains, sites or everything that an operator has made and that are in force."},

	{"mtad_spool_commits_total", "counter", "", "Commits of the spool that succeeded; those that wait at the same time share one fdatasync."},
	{"mtad_spool_commit_seconds", "histogram", "", "How long commits waited until they were on stable storage."},
	{"mtad_spool_commit_messages", "histogram", "", "New messages in one commit; 0 where it only recorded outcomes."},
	{"mtad_spool_bytes", "gauge", "", "Bytes that the spool takes on disk."},

	{"mtad_dns_queries_total", "counter", "type=A|AAAA|MX|PTR, result=found|nxdomain|nodata|temporary", "DNS questions that no cache answered."},
	{"mtad_dns_cache_hits_total", "counter", "", "DNS questions answered from memory."},
	{"mtad_dns_coalesced_total", "counter", "", "DNS questions that joined one on its way."},
	{"mtad_dns_messages_ignored_total", "counter", "", "DNS messages that answered nothing we asked: strays or forgeries."},
	{"mtad_dns_tcp_total", "counter", "", "DNS questions asked again over TCP."},
	{"mtad_dns_server_failures_total", "counter", "reason=silence|rcode|garbage", "Exchanges with a DNS server that gave no answer."},

	{"mtad_actors", "gauge", "kind", "Actors alive."},
	{"mtad_actor_failures_total", "counter", "kind", "Actors that ended by a panic; each is a bug, the panic log has the trace."},
	{"mtad_config_reloads_total", "counter", "result=done|failed", "Reloads of the configuration."},
	{"mtad_config_last_reload_successful", "gauge", "", "1 if the last reload was taken, 0 if the old configuration stays in force."},
	{"mtad_log_lines_dropped_total", "counter", "", "Log lines lost because the disk was full or hung."},
	{"mtad_log_lines_suppressed_total", "counter", "", "Log lines about strangers that were counted instead of written."},
	{"mtad_build_info", "gauge", "version, goversion", "Always 1; the labels say what is running."},
}

var byName = func() map[string]Metric {
	m := make(map[string]Metric, len(table))
	for _, row := range table {
		m[row.Name] = row
	}
	return m
}()

// WriteMetricsReference writes the section of the reference about metrics, as Markdown.
func WriteMetricsReference(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "# Metrics\n\n`GET /metrics` on the address of `[admin]`, in Prometheus' text format. Times are in seconds. "+
		"Beside these there are `go_*` and `process_*`.\n\n| name | type | labels | what it says |\n| --- | --- | --- | --- |\n")
	for _, m := range table {
		labels := ""
		if m.Labels != "" {
			labels = "`" + strings.ReplaceAll(m.Labels, "|", `\|`) + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels, m.Help)
	}
	return b.Flush()
}
