package resolver

import (
	"container/list"
	"sync"
	"time"
)

// store keeps answers for as long as they hold, the least used going first when
// it is full, and knows the questions that are on their way: whoever asks one of
// these waits for the same flight.
type store struct {
	mu      sync.Mutex
	entries map[question]*list.Element // of *entry
	recent  list.List                  // most recently used first
	size    int                        // bytes held, about
	limit   int
	flights map[question]*flight
}

type entry struct {
	question
	answer  *answer
	expires time.Time
	size    int
}

// flight is one question on its way.
type flight struct {
	landed chan struct{} // closed when answer is set
	answer *answer
}

// maxFlights bounds the questions on their way or waiting for a free place:
// with the servers dead, memory and goroutines end here (DN-09).
const maxFlights = 2048

func newStore(limit int) *store {
	return &store{entries: map[question]*list.Element{}, flights: map[question]*flight{}, limit: limit}
}

// find returns the answer to a question, or the flight that will have it. lead:
// the flight is new and the caller's to make. None of them: too much is under
// way.
func (s *store) find(q question) (a *answer, f *flight, lead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[q]; e != nil {
		if v := e.Value.(*entry); time.Now().Before(v.expires) {
			s.recent.MoveToFront(e)
			return v.answer, nil, false
		}
		s.drop(e)
	}
	if f := s.flights[q]; f != nil {
		return nil, f, false
	}
	if len(s.flights) >= maxFlights {
		return nil, nil, false
	}
	f = &flight{landed: make(chan struct{})}
	s.flights[q] = f
	return nil, f, true
}

// land gives a flight its answer, keeps that, and wakes who waits.
func (s *store) land(q question, f *flight, a *answer) {
	s.mu.Lock()
	delete(s.flights, q)
	s.keep(q, a)
	s.mu.Unlock()
	f.answer = a
	close(f.landed)
}

func (s *store) keep(q question, a *answer) {
	v := &entry{question: q, answer: a, expires: time.Now().Add(a.ttl), size: sizeOf(q, a)}
	s.entries[q] = s.recent.PushFront(v)
	for s.size += v.size; s.size > s.limit; {
		s.drop(s.recent.Back())
	}
}

func (s *store) drop(e *list.Element) {
	v := s.recent.Remove(e).(*entry)
	delete(s.entries, v.question)
	s.size -= v.size
}

// sizeOf estimates the memory of an entry, bookkeeping included.
func sizeOf(q question, a *answer) int {
	size := 400 + len(q.name) + 24*len(a.addrs)
	for _, m := range a.mx {
		size += 32 + len(m.Host)
	}
	for _, n := range a.names {
		size += 16 + len(n)
	}
	if a.err != nil {
		size += 100 + len(a.err.Name) + len(a.err.Text)
	}
	return size
}
