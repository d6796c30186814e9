package crash

import (
	"slices"
	"sync"

	"mtad/internal/load"
)

// book is both ledgers, in memory. It is written by all sessions at once.
type book struct {
	mu      sync.Mutex
	sent    map[string]*sent
	got     map[delivery][]receipt
	last    map[int]int         // connection → number of its last message
	endings map[int]load.Ending // of connections
	count   int                 // messages the sink got
	rcpts   int                 // recipients of these
	settled []int               // values of count at which all was recorded and nothing under way

	refuse    func(rcpt string) bool
	reports   map[string][]receipt         // Message-ID of a bounce → its copies
	told      map[delivery]map[string]bool // who failed → the bounces that say so
	malformed []string                     // bounces that nobody can read
}

// sent is what the sender knows of one message.
type sent struct {
	intent load.Entry
	fate   load.Fate
	rcpts  []string // accepted
}

type delivery struct{ id, rcpt string }

// receipt is one delivery to one recipient. The sink numbers connections as they
// come, so that those of an earlier life of the relay have the lower numbers; messages
// it numbers as it has read them, which on a busy machine is later than a kill.
type receipt struct {
	conn, message int
	sha           string
}

func newBook() *book {
	return &book{sent: map[string]*sent{}, got: map[delivery][]receipt{}, last: map[int]int{}, endings: map[int]load.Ending{},
		reports: map[string][]receipt{}, told: map[delivery]map[string]bool{}}
}

func (b *book) recordSent(e load.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Fate == load.Intent {
		b.sent[e.ID] = &sent{intent: e, fate: load.Unknown}
		return
	}
	b.sent[e.ID].fate, b.sent[e.ID].rcpts = e.Fate, slices.Clone(e.Rcpts)
}

func (b *book) recordGot(e load.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	b.rcpts += len(e.Rcpts)
	b.last[e.Conn] = b.count
	if e.Sender == "" {
		b.recordReport(e)
		return
	}
	for _, rcpt := range e.Rcpts {
		d := delivery{e.ID, rcpt}
		b.got[d] = append(b.got[d], receipt{e.Conn, b.count, e.SHA})
	}
}

func (b *book) recordHangup(conn int, how load.Ending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endings[conn] = how
}

func (b *book) received() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// settle notes that nothing that came so far may come again.
func (b *book) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settled = append(b.settled, b.count)
}

// missing counts what was acknowledged and has neither come nor bounced.
func (b *book) missing() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.eachMissing(func(delivery) { n++ })
	return n
}

func (b *book) eachMissing(f func(delivery)) {
	for id, s := range b.sent {
		if s.fate != load.Acked {
			continue
		}
		for _, rcpt := range s.rcpts {
			if d := (delivery{id, rcpt}); !b.settledFor(d) {
				f(d)
			}
		}
	}
}

// totals are messages acknowledged and unknown, and recipients delivered to.
type totals struct{ acked, unknown, got int }

func (t totals) minus(u totals) totals {
	return totals{t.acked - u.acked, t.unknown - u.unknown, t.got - u.got}
}

func (b *book) totals() totals {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := totals{got: b.rcpts}
	for _, s := range b.sent {
		switch s.fate {
		case load.Acked:
			t.acked++
		case load.Unknown:
			t.unknown++
		}
	}
	return t
}
