package inbound

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"mtad/internal/auth"
	"mtad/tlsstate"
)

var (
	messagesReceived = metrics.NewCounter("mtad_messages_received_total") // messages answered 250
	bytesReceived    = metrics.NewCounter("mtad_received_bytes_total")    // their bytes, as SIZE counts them
)

// Refusals by stage and reason: a fixed set, whatever strangers do.
var (
	rejectedHost        = rejection("connection", "host_reject")
	rejectedTooMany     = rejection("connection", "smtp_accept_max")
	rejectedTooManyHost = rejection("connection", "smtp_accept_max_per_host")
	rejectedDraining    = rejection("connection", "draining")
	rejectedPregreet    = rejection("connection", "synchronization")
	rejectedSync        = rejection("command", "synchronization")
	rejectedProtocol    = rejection("command", "wrong_protocol")
	rejectedBareLine    = rejection("command", "bare_line_end")
	rejectedInjection   = rejection("command", "text_behind_starttls")
	rejectedErrors      = rejection("command", "smtp_max_errors")
	rejectedJunk        = rejection("command", "junk")
	rejectedTimeout     = rejection("command", "timeout")
	rejectedGuesses     = rejection("AUTH", "failures")
	rejectedAnonymous   = rejection("MAIL", "auth_hosts")
	rejectedSubmission  = rejection("MAIL", "submission_auth")
	rejectedSender      = rejection("MAIL", "sender_domains")
	rejectedMessages    = rejection("MAIL", "smtp_accept_max_per_connection")
	rejectedClear       = rejection("MAIL", "tls_hosts")
	rejectedSize        = rejection("MAIL", "size")
	rejectedSpace       = rejection("MAIL", "space")
	rejectedPoisoned    = rejection("MAIL", "spool")
	rejectedRelay       = rejection("RCPT", "relay")
	rejectedLocalPart   = rejection("RCPT", "restricted_characters")
	rejectedRecipients  = rejection("RCPT", "recipients_max")
	rejectedDataTimeout = rejection("DATA", "timeout")
	rejectedDataSize    = rejection("DATA", "size")
	rejectedHeader      = rejection("DATA", "header")
	rejectedLoop        = rejection("DATA", "received_headers_max")
	rejectedLineEnds    = rejection("DATA", "bare_line_end")
	rejectedDataSpace   = rejection("DATA", "space")
	rejectedDataSpool   = rejection("DATA", "spool")
	rejectedChunks      = rejection("DATA", "small_chunks")
)

func rejection(stage, reason string) *metrics.Counter {
	return metrics.NewCounter(fmt.Sprintf(`mtad_smtp_rejections_total{stage=%q,reason=%q}`, stage, reason))
}

// handshakes counts those of a server.
type handshakes struct {
	full, resumed *metrics.PrometheusHistogram

	mu       sync.RWMutex
	counters map[handshakeLabels]*metrics.Counter
}

var tlsHandshakes = &handshakes{
	full: handshakeSeconds(false), resumed: handshakeSeconds(true),
	counters: make(map[handshakeLabels]*metrics.Counter),
}

func handshakeSeconds(resumed bool) *metrics.PrometheusHistogram {
	return metrics.NewPrometheusHistogramExt(fmt.Sprintf(`mtad_tls_handshake_seconds{side="server",resumed="%t"}`, resumed),
		[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60})
}

// succeeded counts by version and cipher: crypto/tls has a dozen.
func (h *handshakes) succeeded(st tlsstate.State, took time.Duration) {
	h.count(st.Version, st.Cipher, st.Resumed, "ok")
	if st.Resumed {
		h.resumed.Update(took.Seconds())
	} else {
		h.full.Update(took.Seconds())
	}
}

// failed counts by a certs.Reason, or "unavailable" where none was begun.
func (h *handshakes) failed(reason string) { h.count("", "", false, reason) }

func (h *handshakes) count(version, cipher string, resumed bool, result string) {
	h.counter(handshakeLabels{version, cipher, resumed, result}).Inc()
}

// handshakeLabels tell one counter of handshakes from another.
type handshakeLabels struct {
	version, cipher string
	resumed         bool
	result          string
}

// counter is made when first met.
func (h *handshakes) counter(l handshakeLabels) *metrics.Counter {
	h.mu.RLock()
	c := h.counters[l]
	h.mu.RUnlock()
	if c == nil {
		c = metrics.GetOrCreateCounter(fmt.Sprintf(
			`mtad_tls_handshakes_total{side="server",version=%q,cipher=%q,resumed="%t",result=%q}`, l.version, l.cipher, l.resumed, l.result))
		h.mu.Lock()
		h.counters[l] = c
		h.mu.Unlock()
	}
	return c
}

// countAuth counts a dialogue that has ended. The mechanism is one that was
// offered, or "other".
func countAuth(mechanism string, result auth.Outcome) {
	metrics.GetOrCreateCounter(fmt.Sprintf(`mtad_auth_total{side="server",mechanism=%q,result=%q}`, mechanism, result)).Inc()
}

// Commands by verb and code of the answer, made when first met: a command costs
// an index, not a look-up by name.
var commandCounters [maxVerbs][600]atomic.Pointer[metrics.Counter]

// maxVerbs is the room for rows of the table of verbs, and for the rest.
const maxVerbs = 32

// countCommand counts an answered command. The label is the row's name: what is
// in no row is "other".
func countCommand(v *verb, code int) {
	c := &commandCounters[v.index][code]
	n := c.Load()
	if n == nil {
		n = metrics.GetOrCreateCounter(fmt.Sprintf(`mtad_smtp_commands_total{verb=%q,code="%d"}`, v.name, code))
		c.Store(n)
	}
	n.Inc()
}
