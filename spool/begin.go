package spool

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// The second half of a start: what was read is made durable, a new segment is
// begun, and what belongs to nobody is taken away.

// syncTail cuts what was not finished and makes the rest durable: a process
// that was killed leaves frames that were seen but never synced.
func (r *recovery) syncTail() error {
	if r.last == 0 {
		return errors.Join(r.s.fs.SyncDir(r.s.dir), r.s.fs.SyncDir(r.s.path(bodyFolder)))
	}
	f, err := r.s.fs.Open(r.s.segmentPath(r.last), ReadWrite)
	if err != nil {
		return err
	}
	defer f.Close()
	if r.cut < r.segments[r.last] {
		if err := f.Truncate(r.cut); err != nil {
			return err
		}
		r.s.index.grow(r.last, r.cut)
		r.segments[r.last] = r.cut
	}
	if err := r.rewrite(f); err != nil {
		return err
	}
	return errors.Join(f.Datasync(), r.s.fs.SyncDir(r.s.dir), r.s.fs.SyncDir(r.s.path(bodyFolder)))
}

// rewrite writes the last frame over itself. If its sync failed before, the
// kernel may hold it in memory, take it for written and never write it.
func (r *recovery) rewrite(f File) error {
	if r.tail < 0 {
		return nil
	}
	buf := make([]byte, min(1<<20, r.cut-r.tail))
	for at := r.tail; at < r.cut; {
		p := buf[:min(int64(len(buf)), r.cut-at)]
		if n, err := f.ReadAt(p, at); n < len(p) {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		if _, err := f.WriteAt([][]byte{p}, at); err != nil {
			return err
		}
		at += int64(len(p))
	}
	return nil
}

// begin starts a new segment: what is on disk is read and never written again.
func (r *recovery) begin() error {
	s := r.s
	s.ids.next.Store(max(s.index.nextID.Load(), s.index.maxID.Load()))
	s.ids.reserved.Store(s.ids.next.Load())
	start := func() error {
		s.segments.last++
		return s.startSegment(fileHeader{number: s.segments.last, nonce: newNonce(), prev: r.last, sealed: uint64(r.cut)})
	}
	err := start()
	if isFull(err) && s.releaseReserve() {
		err = start()
	}
	if err == nil {
		s.restoreReserve()
		err = s.submit(&commit{ready: make(chan bool, 1), vital: true})
		if isFull(err) {
			err = nil // what is in the spool can still go out
		}
	}
	return err
}

// dropOrphans removes the body files of messages that are not there.
func (r *recovery) dropOrphans() error {
	want := map[ID]bool{}
	x := r.s.index
	for i := range x.shards {
		for _, e := range x.shards[i].m {
			if f := e.file(); f != nil {
				want[f.name] = true
			}
		}
	}
	for name := range r.bodies {
		if !want[name] {
			if err := r.s.fs.Remove(r.s.bodyPath(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPlaces sets aside the messages whose bytes are gone.
func (r *recovery) checkPlaces() error {
	lost := map[ID]error{}
	x := r.s.index
	for i := range x.shards {
		for c, e := range x.shards[i].m {
			if err := r.missing(e); err != nil {
				lost[e.id(c)] = err
			}
		}
	}
	for id, err := range lost {
		_ = r.s.setAside(id, err)
	}
	return nil
}

func (r *recovery) missing(e *entry) error {
	if size, ok := r.segments[e.seg]; !ok || int64(e.off)+int64(e.n) > size {
		return fmt.Errorf("%w: segment %d is missing or cut short", ErrBroken, e.seg)
	}
	if f := e.file(); f != nil {
		if size, ok := r.bodies[f.name]; !ok || size != f.n {
			return fmt.Errorf("%w: file %s is missing or cut short", ErrBroken, f.name)
		}
	}
	return nil
}

func (r *recovery) reportStrays() error {
	if n := len(r.strays); n > 0 {
		slices.Sort(r.strays)
		r.s.later(Event{Kind: "stray", Text: fmt.Sprintf(
			"%d files in the spool folder %s are none of the spool's and were left alone: %q …", n, r.s.dir, r.strays[:min(n, 5)])})
	}
	return nil
}
