package inbound

import (
	"fmt"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
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
	rejectedErrors      = rejection("command", "smtp_max_errors")
	rejectedJunk        = rejection("command", "junk")
	rejectedTimeout     = rejection("command", "timeout")
	rejectedMessages    = rejection("MAIL", "smtp_accept_max_per_connection")
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
