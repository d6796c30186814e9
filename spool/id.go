package spool

import (
	"errors"
	"sync/atomic"
	"time"
)

// digits are those of Exim's ids; they stand in ASCII order, so that ids sort
// as the numbers they are made of.
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const (
	base      = 62
	counters  = base * base * base * base * base * base // values of the middle six
	fractions = base * base                             // parts a second is cut in
	idBlock   = 1 << 16                                 // counters that one record reserves
)

// ErrID is what ParseID answers to anything that is not a message id.
var ErrID = errors.New("not a message id")

// makeID spells an id: seconds since the epoch, counter, part of the second.
func makeID(secs uint32, counter uint64, frac uint16) (id ID) {
	spell(id[0:6], uint64(secs))
	id[6] = '-'
	spell(id[7:13], counter)
	id[13] = '-'
	spell(id[14:16], uint64(frac))
	return id
}

// spell writes n in base 62, right-aligned.
func spell(dst []byte, n uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = digits[n%base]
		n /= base
	}
}

// split is the inverse of makeID; ok is false for what makeID cannot have made.
func (id ID) split() (secs uint32, counter uint64, frac uint16, ok bool) {
	s, ok1 := number(id[0:6])
	c, ok2 := number(id[7:13])
	f, ok3 := number(id[14:16])
	ok = ok1 && ok2 && ok3 && id[6] == '-' && id[13] == '-' && s <= 1<<32-1
	return uint32(s), c, uint16(f), ok
}

func number(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		var d byte
		switch {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c >= 'A' && c <= 'Z':
			d = c - 'A' + 10
		case c >= 'a' && c <= 'z':
			d = c - 'a' + 36
		default:
			return 0, false
		}
		n = n*base + uint64(d)
	}
	return n, true
}

// ParseID reads an id as String writes it; anything else is ErrID.
func ParseID(s string) (ID, error) {
	if len(s) != len(ID{}) {
		return ID{}, ErrID
	}
	id := ID([]byte(s))
	if _, _, _, ok := id.split(); !ok {
		return ID{}, ErrID
	}
	return id, nil
}

// ids gives out counters. Those below reserved are known to the disk as taken.
type ids struct {
	next     atomic.Uint64
	reserved atomic.Uint64
	closing  atomic.Bool
}

// close makes the next frame say which counters were really given out.
func (i *ids) close() { i.closing.Store(true) }

// NextID gives out an id. It costs no disk access but once in some ten thousand
// calls, when the counters that the disk knows as taken are used up.
func (s *Spool) NextID() ID {
	for {
		n := s.ids.next.Add(1) - 1
		if n >= s.ids.reserved.Load() {
			s.reserveIDs()
		}
		now := s.now()
		frac := uint16(uint64(now.Nanosecond()) * fractions / uint64(time.Second))
		id := makeID(uint32(now.Unix()), n%counters, frac)
		// The counter comes round after 5.6e10 messages; one may have waited as long.
		if !s.index.hasCounter(n % counters) {
			return id
		}
	}
}

// reserveIDs makes the disk know that more ids are taken. Should it fail, the
// commit of a message under such an id is what makes it known.
func (s *Spool) reserveIDs() {
	_ = s.submit(&commit{ready: make(chan bool, 1)})
}

// reservation returns the record that goes into the next frame if half of the
// reserved counters are used up; nil otherwise. Only the leader calls it.
func (s *Spool) reservation() (rec []byte, upTo uint64) {
	next := s.ids.next.Load()
	if s.ids.closing.Load() {
		return appendNextID(nil, next), next
	}
	if next+idBlock/2 < s.ids.reserved.Load() {
		return nil, 0
	}
	upTo = next + idBlock
	return appendNextID(nil, upTo), upTo
}
