package actors

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"mtad/internal/outbound"
)

// Counters stand here, beside the code that counts; their help texts are in
// the table that internal/admin serves the reference from.

var (
	recipientsDelivered = metrics.NewCounter(`mtad_recipients_delivered_total`)
	messageAge          = metrics.NewPrometheusHistogramExt(`mtad_message_age_seconds`,
		[]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 96 * 3600})
	deliveryBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
)

// Kinds of actor: the label's whole range.
var kinds = map[string]*kindCounts{
	"queue": newKind("queue"), "listener": newKind("listener"), "connection": newKind("connection"),
	"delivery": newKind("delivery"), "session": newKind("session"), "routing": newKind("routing"), "report": newKind("report"),
}

type kindCounts struct {
	alive    atomic.Int64
	failures *metrics.Counter
}

func newKind(kind string) *kindCounts {
	k := &kindCounts{failures: metrics.NewCounter(`mtad_actor_failures_total{kind="` + kind + `"}`)}
	metrics.NewGauge(`mtad_actors{kind="`+kind+`"}`, func() float64 { return float64(k.alive.Load()) })
	return k
}

func countActors(kind string, n int64) { kinds[kind].alive.Add(n) }
func countFailure(kind string)         { kinds[kind].failures.Inc() }

// transportCounts are the counters of one transport, made when it is first used.
type transportCounts struct {
	results [3]*metrics.Counter // by outbound.Kind
	seconds *metrics.PrometheusHistogram
}

var transports sync.Map // name → *transportCounts

func countsOf(transport string) *transportCounts {
	if c, ok := transports.Load(transport); ok {
		return c.(*transportCounts)
	}
	c := &transportCounts{seconds: metrics.GetOrCreatePrometheusHistogramExt(`mtad_delivery_seconds{transport="`+transport+`"}`, deliveryBuckets)}
	for kind, result := range map[outbound.Kind]string{outbound.Delivered: "delivered", outbound.Deferred: "deferred", outbound.Failed: "failed"} {
		c.results[kind] = metrics.GetOrCreateCounter(`mtad_delivery_attempts_total{transport="` + transport + `",result="` + result + `"}`)
	}
	transports.Store(transport, c)
	return c
}

// countAttempt counts one transaction by the worst that befell a recipient of it.
func countAttempt(transport string, worst outbound.Kind, d time.Duration) {
	c := countsOf(transport)
	c.results[worst].Inc()
	c.seconds.Update(d.Seconds())
}

func countDelivered(age time.Duration) {
	recipientsDelivered.Inc()
	messageAge.Update(age.Seconds())
}

var handoffCounts = map[string]*metrics.Counter{
	"resumed": metrics.NewCounter(`mtad_handoffs_total{result="resumed"}`),
	"full":    metrics.NewCounter(`mtad_handoffs_total{result="full"}`),
	"kept":    metrics.NewCounter(`mtad_handoffs_total{result="kept"}`),
	"clear":   metrics.NewCounter(`mtad_handoffs_total{result="clear"}`),
	"refused": metrics.NewCounter(`mtad_handoffs_total{result="refused"}`),
}

func countHandoff(result string) { handoffCounts[result].Inc() }

// listenerCounts are those of one listening address: they go on where a reload closes it
// and another opens it again.
type listenerCounts struct {
	open     atomic.Int64
	accepted *metrics.Counter
}

var listeners sync.Map // address → *listenerCounts

func countsOfListener(address string) *listenerCounts {
	c, known := listeners.LoadOrStore(address, &listenerCounts{
		accepted: metrics.GetOrCreateCounter(`mtad_smtp_connections_total{listener="` + address + `"}`),
	})
	counts := c.(*listenerCounts)
	if !known {
		metrics.NewGauge(`mtad_smtp_connections{listener="`+address+`"}`, func() float64 { return float64(counts.open.Load()) })
	}
	return counts
}
