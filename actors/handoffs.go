package actors

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"mtad/internal/mainlog"
	"mtad/internal/queue"
	"mtad/spool"
)

// handoffs remembers the hosts that do not go on after TLS was shut down (SPEC
// H5). The spool has the same: it survives a restart.
type handoffs struct {
	// Set at birth.
	spool *spool.Spool
	log   *mainlog.Log

	mu    sync.RWMutex
	until map[queue.HostAddr]time.Time
	timer *time.Timer // for the first that ends; nil: none is set
}

// newHandoffs takes over what the spool remembers.
func newHandoffs(sp *spool.Spool, log *mainlog.Log) *handoffs {
	h := &handoffs{spool: sp, log: log, until: make(map[queue.HostAddr]time.Time)}
	sp.HostFacts(func(f spool.HostFact) bool {
		if host, until, ok := parseHandoff(f); ok {
			h.until[host] = until
		}
		return true
	})
	h.expire()
	return h
}

// has reports whether a host is known not to go on.
func (h *handoffs) has(host queue.HostAddr) bool {
	h.mu.RLock()
	until, ok := h.until[host]
	h.mu.RUnlock()
	return ok && time.Now().Before(until)
}

func (h *handoffs) count() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.until)
}

// list returns all of them with the time until which they are remembered.
func (h *handoffs) list() map[queue.HostAddr]time.Time {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return maps.Clone(h.until)
}

// learn takes in that a host does not go on, and why that is thought.
func (h *handoffs) learn(host queue.HostAddr, memory time.Duration, why string) {
	if memory <= 0 {
		return
	}
	until := time.Now().Add(memory)
	h.mu.Lock()
	_, known := h.until[host]
	h.until[host] = until
	h.schedule()
	h.mu.Unlock()
	if !known {
		h.record(handoffFact(host, until))
		h.log.HostLearnt(logHost(host), "does not go on after TLS was shut down, remembered until "+until.Format(time.DateTime)+": "+why)
	}
}

// forget ends what is remembered of hosts of that name or address, with a port or
// without, on an operator's word. It returns how many there were.
func (h *handoffs) forget(name string) int {
	return h.end(func(host queue.HostAddr, _ time.Time) bool {
		return strings.EqualFold(host.Name, name) || host.Addr.Addr().String() == name || host.Addr.String() == name
	})
}

// expire ends what has been remembered for long enough.
func (h *handoffs) expire() {
	now := time.Now()
	h.end(func(_ queue.HostAddr, until time.Time) bool { return !until.After(now) })
}

// end forgets the hosts that over says.
func (h *handoffs) end(over func(queue.HostAddr, time.Time) bool) int {
	var ended []queue.HostAddr
	h.mu.Lock()
	for host, until := range h.until {
		if over(host, until) {
			ended = append(ended, host)
			delete(h.until, host)
		}
	}
	h.schedule()
	h.mu.Unlock()
	facts := make([]spool.HostFact, len(ended))
	for i, host := range ended {
		facts[i] = spool.HostFact{Key: handoffKey(host)}
		h.log.HostLearnt(logHost(host), "is given the chance again to go on after TLS was shut down")
	}
	h.record(facts...)
	return len(ended)
}

// schedule sets the timer for the first that ends. mu is held.
func (h *handoffs) schedule() {
	h.stopTimer()
	if len(h.until) == 0 {
		return
	}
	first := slices.MinFunc(slices.Collect(maps.Values(h.until)), time.Time.Compare)
	h.timer = time.AfterFunc(time.Until(first), h.expire)
}

func (h *handoffs) stopTimer() {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// close keeps the timer from going off: the spool is about to be closed.
func (h *handoffs) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopTimer()
}

// record makes facts durable. What cannot be recorded is known until the next
// restart at least.
func (h *handoffs) record(facts ...spool.HostFact) {
	if len(facts) == 0 {
		return
	}
	if err := h.spool.Commit(&spool.Batch{Hosts: facts}); err != nil {
		h.log.Panic("cannot record what was learnt of a host: "+err.Error(), nil)
	}
}

// A fact's key is "handoff NAME ADDRESS:PORT"; its value the end of the memory.
const handoffWord = "handoff"

func handoffKey(host queue.HostAddr) string {
	return strings.Join([]string{handoffWord, host.Name, host.Addr.String()}, " ")
}

func handoffFact(host queue.HostAddr, until time.Time) spool.HostFact {
	return spool.HostFact{Key: handoffKey(host), Value: until.UTC().AppendFormat(nil, time.RFC3339)}
}

// parseHandoff reads a fact; ok is false for one of another kind.
func parseHandoff(f spool.HostFact) (host queue.HostAddr, until time.Time, ok bool) {
	words := strings.Split(f.Key, " ")
	if len(words) != 3 || words[0] != handoffWord {
		return host, until, false
	}
	addr, err := netip.ParseAddrPort(words[2])
	until, err2 := time.Parse(time.RFC3339, string(f.Value))
	return queue.HostAddr{Name: words[1], Addr: addr}, until, cmp.Or(err, err2) == nil
}

func logHost(h queue.HostAddr) mainlog.Host {
	return mainlog.Host{Name: h.Name, IP: h.Addr.Addr().String()}
}
