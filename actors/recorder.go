package actors

import (
	"errors"
	"sync"

	"mtad/spool"
)

// recorder makes decisions of the schedule durable, outside of the queue actor and in
// the order in which they were made: what was decided later of a recipient must not
// be overwritten by what was decided before. What waits goes in one commit.
type recorder struct {
	commit func(*spool.Batch) error
	fault  func(error)

	mu      sync.Mutex
	waiting []entry
	writing bool
}

// entry is a batch to be committed, or what is to be done once all before it is.
type entry struct {
	batch spool.Batch
	then  func()
}

// record takes a batch; it does not wait.
func (r *recorder) record(b spool.Batch) { r.add(entry{batch: b}) }

// after has f run in a goroutine of its own, once all recorded so far is durable.
func (r *recorder) after(f func()) { r.add(entry{then: f}) }

func (r *recorder) add(e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, e)
	if !r.writing {
		r.writing = true
		go r.write()
	}
}

// maxMerged bounds the entries of one commit.
const maxMerged = 256

func (r *recorder) write() {
	for {
		r.mu.Lock()
		n := 0
		for n < len(r.waiting) && n < maxMerged && (n == 0 || r.waiting[n-1].then == nil) {
			n++
		}
		next := r.waiting[:n:n]
		r.waiting = r.waiting[n:]
		r.writing = n > 0
		r.mu.Unlock()
		if n == 0 {
			return
		}
		r.do(next)
	}
}

// do commits what stands before the first then, and starts that.
func (r *recorder) do(entries []entry) {
	last := entries[len(entries)-1]
	if last.then != nil {
		entries = entries[:len(entries)-1]
	}
	r.commitAll(entries)
	if last.then != nil {
		go last.then()
	}
}

// commitAll merges the batches; where that fails each is for itself: one that speaks of
// a message that has left takes no other with it. That one is no fault: an operator froze
// what was just being bounced.
func (r *recorder) commitAll(entries []entry) {
	var all spool.Batch
	for i := range entries {
		b := &entries[i].batch
		all.Outcomes = append(all.Outcomes, b.Outcomes...)
		all.Freezes = append(all.Freezes, b.Freezes...)
		all.Warned = append(all.Warned, b.Warned...)
		all.Reroutes = append(all.Reroutes, b.Reroutes...)
		all.Hosts = append(all.Hosts, b.Hosts...)
	}
	if err := r.commit(&all); err == nil {
		return
	}
	for i := range entries {
		if err := r.commit(&entries[i].batch); err != nil && !errors.Is(err, spool.ErrUnknown) {
			r.fault(err)
		}
	}
}
