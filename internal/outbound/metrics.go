package outbound

import (
	"cmp"
	"strconv"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"mtad/tlsstate"
)

// handshake is what tells TLS handshakes apart; each part has few values.
type handshake struct {
	version, cipher string
	resumed         bool
	result          string
}

var (
	handshakes sync.Map // handshake → *metrics.Counter

	handshakeSeconds = [2]*metrics.PrometheusHistogram{
		metrics.NewPrometheusHistogramExt(`mtad_tls_handshake_seconds{side="client",resumed="false"}`, handshakeBuckets),
		metrics.NewPrometheusHistogramExt(`mtad_tls_handshake_seconds{side="client",resumed="true"}`, handshakeBuckets),
	}
	handshakeBuckets = []float64{0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60}
)

// countHandshake counts one: its result is "ok", "refused" (STARTTLS was not
// answered 220) or a certs.Reason. took is 0 where none was begun.
func countHandshake(st tlsstate.State, reason string, took time.Duration) {
	key := handshake{st.Version, st.Cipher, st.Resumed, cmp.Or(reason, "ok")}
	c, ok := handshakes.Load(key)
	if !ok {
		c = metrics.GetOrCreateCounter(`mtad_tls_handshakes_total{side="client",version="` + key.version + `",cipher="` + key.cipher +
			`",resumed="` + strconv.FormatBool(key.resumed) + `",result="` + key.result + `"}`)
		handshakes.Store(key, c)
	}
	c.(*metrics.Counter).Inc()
	switch {
	case took == 0:
	case st.Resumed:
		handshakeSeconds[1].Update(took.Seconds())
	default:
		handshakeSeconds[0].Update(took.Seconds())
	}
}

// countAuth counts one AUTH by its mechanism, "none" where none could be chosen.
func countAuth(mechanism, result string) {
	metrics.GetOrCreateCounter(`mtad_auth_total{side="client",mechanism="` + mechanism + `",result="` + result + `"}`).Inc()
}
