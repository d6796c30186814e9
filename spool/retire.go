package spool

import (
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The keeper works in the background: it writes checkpoints, unlinks segments
// that hold nothing live, and moves the last few messages out of those that
// hold little else. A segment may go when it is older than the checkpoint: what
// it says of messages stands there, and what it holds of them is not wanted.

// keeper is its state.
type keeper struct {
	wake chan struct{}
	quit chan struct{}
	done chan struct{}
	once sync.Once
	mu   sync.Mutex // held while maintain works

	active         atomic.Uint32 // the segment that grows; all before it is in the index
	checkpoint     atomic.Uint32 // the newest checkpoint, 0 for none
	checkpointSize atomic.Int64
	damaged        bool // the checkpoint lost messages: old segments stay for those who look for them
}

const (
	manySegments = 64 // so many small ones since the checkpoint are a reason for another
	movesPause   = 20 * time.Millisecond
	movesBytes   = 1 << 20 // written between pauses
	sparse       = 10      // a segment is sparse with less than 1/sparse live
)

func (k *keeper) init() {
	k.wake = make(chan struct{}, 1)
	k.quit = make(chan struct{})
	k.done = make(chan struct{})
}

func (k *keeper) stop() {
	k.once.Do(func() { close(k.quit) })
	<-k.done
}

func (s *Spool) wakeKeeper() {
	select {
	case s.keeper.wake <- struct{}{}:
	default:
	}
}

// keepUp is the keeper's goroutine.
func (s *Spool) keepUp() {
	defer close(s.keeper.done)
	for {
		select {
		case <-s.keeper.quit:
			return
		case <-s.keeper.wake:
		}
		s.maintain()
		s.tell()
	}
}

// maintain does all that is due. What fails is tried again at the next occasion.
func (s *Spool) maintain() {
	s.keeper.mu.Lock()
	defer s.keeper.mu.Unlock()
	s.restoreReserve()
	if s.Poisoned() {
		return
	}
	if active := s.keeper.active.Load(); s.checkpointDue(active) {
		if s.checkpoint(active) != nil {
			return
		}
		s.removeCheckpoints(active)
		s.retire()
		s.moveStragglers()
	}
	s.retire()
}

// checkpointDue weighs the log to be read at start against what a checkpoint
// costs to write: a million waiting messages are not written at each roll.
func (s *Spool) checkpointDue(active uint32) bool {
	from := s.keeper.checkpoint.Load()
	var n int
	var size int64
	s.index.segMu.Lock()
	for number, u := range s.index.segs {
		if number >= from && number < active {
			n++
			size += u.size
		}
	}
	s.index.segMu.Unlock()
	return n >= manySegments || size >= max(s.opt.SegmentSize/2, 2*s.keeper.checkpointSize.Load()) && n > 0
}

// removeCheckpoints takes away all but the newest.
func (s *Spool) removeCheckpoints(newest uint32) {
	entries, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if n, ok := parseNumbered(checkpointPrefix, e.Name); ok && n < newest {
			_ = s.fs.Remove(s.path(e.Name))
		}
	}
}

// retire unlinks the segments that nobody needs.
func (s *Spool) retire() {
	if s.keeper.damaged {
		return
	}
	for _, n := range s.oldSegments(func(u *segmentUse) bool { return u.live == 0 }) {
		if err := s.fs.Remove(s.segmentPath(n)); err == nil || errors.Is(err, os.ErrNotExist) {
			s.index.forgetSegment(n)
		}
	}
}

// oldSegments lists those before the checkpoint that f chooses.
func (s *Spool) oldSegments(f func(*segmentUse) bool) (numbers []uint32) {
	before := min(s.keeper.checkpoint.Load(), s.keeper.active.Load())
	s.index.segMu.Lock()
	defer s.index.segMu.Unlock()
	for n, u := range s.index.segs {
		if n < before && f(u) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

func (x *index) forgetSegment(n uint32) {
	x.segMu.Lock()
	defer x.segMu.Unlock()
	delete(x.segs, n)
}

// moveStragglers empties the sparse segments.
func (s *Spool) moveStragglers() {
	victims := s.oldSegments(func(u *segmentUse) bool {
		return u.live > 0 && u.size >= s.opt.SegmentSize/4 && u.bytes < u.size/sparse
	})
	if len(victims) == 0 {
		return
	}
	ids := s.index.inSegments(victims)
	for len(ids) > 0 && !s.Full() {
		n, err := s.move(ids)
		if err != nil {
			return
		}
		if ids = ids[n:]; len(ids) == 0 {
			return
		}
		select {
		case <-s.keeper.quit:
			return
		case <-time.After(movesPause):
		}
	}
}

func (x *index) inSegments(numbers []uint32) (ids []ID) {
	for i := range x.shards {
		sh := &x.shards[i]
		sh.mu.Lock()
		for c, e := range sh.m {
			if slices.Contains(numbers, e.seg) {
				ids = append(ids, e.id(c))
			}
		}
		sh.mu.Unlock()
	}
	return ids
}

// move writes the bytes of some messages anew and returns of how many.
func (s *Spool) move(ids []ID) (n int, err error) {
	c := &commit{piece: newPiece(), ready: make(chan bool, 1)}
	for n < len(ids) && c.bodyLen < movesBytes {
		id := ids[n]
		n++
		var p place
		if !s.index.with(id, func(e *entry) { p = e.place }) {
			continue
		}
		buf, err := s.readInline(p)
		if err != nil {
			_ = s.bodyError(id, err)
			continue
		}
		defer freeChunk(buf)
		c.piece = appendMoved(c.piece, id, p.n, p.crc)
		c.bodies = append(c.bodies, buf)
		c.bodyLen += len(buf)
	}
	sealPiece(c.piece, c.bodyLen)
	return n, s.submit(c)
}
