package crash

import (
	"fmt"
	"slices"
	"sync"

	"mtad/internal/load"
)

// book is both ledgers, in memory. It is written by all sessions at once.
type book struct {
	mu      sync.Mutex
	sent    map[string]*sent
	got     map[delivery][]receipt
	last    map[int]int  // connection → number of its last message
	orderly map[int]bool // connections that ended with QUIT
	count   int          // messages the sink got
}

// sent is what the sender knows of one message.
type sent struct {
	intent load.Entry
	fate   load.Fate
	rcpts  []string // accepted
}

type delivery struct{ id, rcpt string }

// receipt is one delivery to one recipient.
type receipt struct {
	conn, message int
	sha           string
}

func newBook() *book {
	return &book{sent: map[string]*sent{}, got: map[delivery][]receipt{}, last: map[int]int{}, orderly: map[int]bool{}}
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
	b.last[e.Conn] = b.count
	for _, rcpt := range e.Rcpts {
		d := delivery{e.ID, rcpt}
		b.got[d] = append(b.got[d], receipt{e.Conn, b.count, e.SHA})
	}
}

func (b *book) recordHangup(conn int, orderly bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orderly[conn] = orderly
}

func (b *book) received() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// Verdict is what the ledgers say at quiescence.
type Verdict struct {
	Acked, Nacked, Unknown int      // messages
	Lost                   []string // acknowledged, never delivered
	Invented               []string // delivered though refused, never sent, or to somebody else
	Torn                   []string // delivered with other bytes
	Dup                    []string // delivered again though the first attempt was not open at a kill
	OpenDup                int      // delivered again as allowed
}

// Clean reports whether nothing is wrong.
func (v *Verdict) Clean() bool { return len(v.Lost)+len(v.Invented)+len(v.Torn)+len(v.Dup) == 0 }

func (v *Verdict) String() string {
	s := fmt.Sprintf("%d acked, %d nacked, %d unknown; lost %d, invented %d, torn %d, dup %d (and %d that were open)",
		v.Acked, v.Nacked, v.Unknown, len(v.Lost), len(v.Invented), len(v.Torn), len(v.Dup), v.OpenDup)
	for _, list := range []struct {
		name string
		what []string
	}{{"LOST", v.Lost}, {"INVENTED", v.Invented}, {"TORN", v.Torn}, {"DUP", v.Dup}} {
		for _, w := range list.what[:min(len(list.what), 5)] {
			s += "\n" + list.name + " " + w
		}
	}
	return s
}

// judge is called when the relay's queue is empty and all connections have ended.
func (b *book) judge() *Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := &Verdict{}
	for id, s := range b.sent {
		v.count(s.fate)
		if s.fate != load.Acked {
			continue
		}
		for _, rcpt := range s.rcpts {
			if len(b.got[delivery{id, rcpt}]) == 0 {
				v.Lost = append(v.Lost, id+" to "+rcpt)
			}
		}
	}
	for d, receipts := range b.got {
		b.judgeDelivery(v, d, receipts)
	}
	return v
}

func (v *Verdict) count(f load.Fate) {
	switch f {
	case load.Acked:
		v.Acked++
	case load.Nacked:
		v.Nacked++
	default:
		v.Unknown++
	}
}

func (b *book) judgeDelivery(v *Verdict, d delivery, receipts []receipt) {
	name := d.id + " to " + d.rcpt
	s := b.sent[d.id]
	switch {
	case s == nil:
		v.Invented = append(v.Invented, name+": never sent")
		return
	case s.fate == load.Nacked:
		v.Invented = append(v.Invented, name+": refused")
	case !slices.Contains(s.intent.Rcpts, d.rcpt), s.fate == load.Acked && !slices.Contains(s.rcpts, d.rcpt):
		v.Invented = append(v.Invented, name+": not a recipient")
	}
	for i, r := range receipts {
		if r.sha != s.intent.SHA {
			v.Torn = append(v.Torn, name)
		}
		if i == len(receipts)-1 {
			break // the last attempt is the one that counts
		}
		if b.open(r) {
			v.OpenDup++
		} else {
			v.Dup = append(v.Dup, fmt.Sprintf("%s: on connections %d and %d", name, r.conn, receipts[i+1].conn))
		}
	}
}

// open reports whether an attempt may have been unrecorded when a kill struck:
// the relay records each delivery before the next message goes out on that
// connection, so only the last one of a connection that was cut can be.
func (b *book) open(r receipt) bool {
	return !b.orderly[r.conn] && b.last[r.conn] == r.message
}
