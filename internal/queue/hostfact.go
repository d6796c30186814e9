package queue

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"mtad/spool"
)

// What is known of a host that fails is kept in the spool as a fact, so that a restart
// is no storm of attempts: its key is "retry TRANSPORT NAME ADDRESS:PORT", its value two
// lines, the times of its first and last failure and of its next try with the
// number of failures and their kind, and the error. It is forgotten once the host works,
// or is not wanted any more.

const retryWord = "retry"

// maxTrouble keeps a fact well below the spool's kilobyte.
const maxTrouble = 600

func (h *host) factKey() string {
	return strings.Join([]string{retryWord, h.key.transport, h.addr.Name, h.addr.Addr.String()}, " ")
}

// remember records the host's failures as they stand.
func (c *Core) remember(h *host) {
	value := fmt.Sprintf("%d %d %d %d %s\n%s", c.fromNow(h.firstFail).UnixNano(), c.fromNow(h.lastFail).UnixNano(),
		c.fromNow(h.retryAt).UnixNano(), h.attempts, h.kind, strings.ToValidUTF8(h.trouble[:min(len(h.trouble), maxTrouble)], ""))
	c.emit(Record{spool.Batch{Hosts: []spool.HostFact{{Key: h.factKey(), Value: []byte(value)}}}})
	h.remembered = true
}

// forgetHost takes the record back.
func (c *Core) forgetHost(h *host) {
	if h.remembered {
		c.emit(Record{spool.Batch{Hosts: []spool.HostFact{{Key: h.factKey()}}}})
		h.remembered = false
	}
}

// RestoreHost takes in what the spool remembers of a host; a fact of another kind is no
// harm. It has its retry time again, and behind that one probe. A time that is
// farther away than any rule sets is a clock's mistake.
func (c *Core) RestoreHost(now time.Time, f spool.HostFact) {
	c.advance(now)
	words := strings.Split(f.Key, " ")
	if len(words) != 4 || words[0] != retryWord {
		return
	}
	addr, err := netip.ParseAddrPort(words[3])
	head, trouble, _ := strings.Cut(string(f.Value), "\n")
	var first, last, next int64
	var attempts int
	var kind string
	if n, _ := fmt.Sscan(head, &first, &last, &next, &attempts, &kind); err != nil || n < 4 {
		return
	}
	h := c.hostFor(words[1], HostAddr{Name: words[2], Addr: addr})
	h.firstFail, h.lastFail = min(first, c.ns), min(last, c.ns)
	h.retryAt = next
	if next > c.ns+int64(24*time.Hour) {
		h.retryAt = c.ns
	}
	h.attempts, h.kind, h.trouble = attempts, kind, trouble
	h.interval = max(h.retryAt-h.lastFail, 0)
	h.window, h.probing, h.remembered = 1, true, true
	c.setHostAlarm(h)
}
