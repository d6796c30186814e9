package spool

import (
	"fmt"
	"sync/atomic"
	"time"
)

// reserveSize is set aside on disk for the records that tell what became of
// messages: a full disk must not make deliveries forget that they were made.
const (
	reserveSize = 1 << 20
	reserveName = "reserve"
	leastFree   = 1 << 20                // bytes without which no message is taken, whatever the options say
	spaceAge    = 100 * time.Millisecond // how old an answer of Full may be
)

type space struct {
	checked atomic.Int64 // nanoseconds since the epoch
	full    atomic.Bool
	reserve atomic.Bool // the file is there
}

// Full reports whether free space or inodes are below what Options asks for.
// The file system is asked at most ten times a second.
func (s *Spool) Full() bool {
	last, now := s.space.checked.Load(), s.now().UnixNano()
	if age := now - last; age >= 0 && age < int64(spaceAge) || !s.space.checked.CompareAndSwap(last, now) {
		return s.space.full.Load()
	}
	bytes, inodes, err := s.fs.Free(s.dir)
	full := err != nil || bytes < max(s.opt.MinFreeBytes, leastFree) || inodes < s.opt.MinFreeInodes
	s.setFull(full)
	if !full && !s.space.reserve.Load() {
		s.wakeKeeper()
	}
	return full
}

// setFull notes whether there is space, and tells the operator of each change.
func (s *Spool) setFull(full bool) {
	if s.space.full.Swap(full) == full {
		return
	}
	if full {
		s.later(Event{Kind: "full", Text: fmt.Sprintf(
			"spool %s is full: new mail is answered 452, deliveries go on; it is taken again once there is room", s.dir)})
	} else {
		s.later(Event{Kind: "space", Text: fmt.Sprintf("spool %s has room again: new mail is taken", s.dir)})
	}
	s.tell()
}

// releaseReserve gives the reserve to the file system; false if it is gone.
// Only the leader of a commit calls it.
func (s *Spool) releaseReserve() bool {
	if !s.space.reserve.Swap(false) {
		return false
	}
	return s.fs.Remove(s.path(reserveName)) == nil
}

// restoreReserve sets the reserve aside again once there is room for it twice.
func (s *Spool) restoreReserve() {
	if s.space.reserve.Load() {
		return
	}
	free, _, err := s.fs.Free(s.dir)
	if err != nil || free < max(s.opt.MinFreeBytes, reserveSize)+reserveSize {
		return
	}
	name := s.path(reserveName)
	_ = s.fs.Remove(name)
	f, err := s.fs.Open(name, Create)
	if err != nil {
		return
	}
	err = f.Allocate(reserveSize)
	f.Close()
	if err != nil {
		_ = s.fs.Remove(name)
		return
	}
	s.space.reserve.Store(true)
}
