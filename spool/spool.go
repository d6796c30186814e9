package spool

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Errors that a caller has an answer for.
var (
	// ErrFull: the disk (or the spool's share of it) is full; nothing was kept. 452.
	ErrFull = errors.New("spool is full")
	// ErrPoisoned: an fsync failed; what the disk holds is unknown, nothing more is taken until a restart. 451.
	ErrPoisoned = errors.New("spool is poisoned by a failed sync")
	// ErrUnknown: no live message has this id.
	ErrUnknown = errors.New("no such message")
	// ErrBroken: the stored bytes do not match their checksum; the message was set aside.
	ErrBroken = errors.New("message is damaged on disk")
	// ErrLocked: another daemon has this spool.
	ErrLocked = errors.New("spool is in use by another process")
	// ErrVersion: the spool was written by a newer version.
	ErrVersion = errors.New("spool has an unknown format version")
)

// Options of Open. The zero value of a field means its default.
type Options struct {
	FS            FS    // default: the operating system's
	MinFreeBytes  int64 // check_spool_space: below it Full() is true
	MinFreeInodes int64 // check_spool_inodes
	SegmentSize   int64 // default 64 MiB
	LargeBody     int64 // bodies over this many bytes get a file of their own; default 2 MiB
	BodyMemory    int64 // bytes of bodies kept in memory until their first attempt, over all messages; default 64 MiB
	DraftMemory   int64 // bytes of messages being received, over all; above it those over 64 KiB go to files; default 64 MiB

	Report  func(Event)                         // told of what an operator must see (broken records, poison, recovery); called without locks held
	Observe func(d time.Duration, messages int) // told of each Commit that succeeded: how long it took, how many messages it brought
}

func (o *Options) setDefaults() {
	for _, v := range []struct {
		field    *int64
		def, top int64
	}{
		{&o.SegmentSize, 64 << 20, maxFrame},
		{&o.LargeBody, 2 << 20, 64 << 20},
		{&o.BodyMemory, 64 << 20, 1 << 62},
		{&o.DraftMemory, 64 << 20, 1 << 62},
	} {
		if *v.field <= 0 {
			*v.field = v.def
		}
		*v.field = min(*v.field, v.top)
	}
	if o.FS == nil {
		o.FS = systemFS
	}
}

// Event is something an operator must see. Text is a whole sentence for the panic log.
type Event struct {
	Kind string // "broken", "poisoned", "recovered", "stray", "full", "space"
	ID   ID     // zero when no one message is meant
	Text string
}

// Spool is an open spool. Its methods are safe for concurrent use.
type Spool struct {
	dir  string
	fs   FS
	opt  Options
	lock io.Closer

	index *index
	held  holder
	ids   ids

	// Group commit. Who has set leading owns seg and segments.
	mu       sync.Mutex
	idle     sync.Cond
	queue    []*commit
	leading  bool
	closed   bool
	seg      *segment
	segments struct{ last uint32 }

	poison     atomic.Pointer[error]
	draftBytes atomic.Int64
	space      space
	keeper     keeper
	stats      counts

	eventMu sync.Mutex
	events  []Event
}

// counts are what Stats is made of, besides the index.
type counts struct {
	commits, syncs, messages, received, written, broken atomic.Uint64
}

// Stats is what metrics want to know. Counts are since Open.
type Stats struct {
	Live      int64 // messages in the spool
	LiveBytes int64 // of their headers and bodies
	DiskBytes int64 // of the segments and body files
	HeldBytes int64 // of bodies in memory, until their first attempt
	Drafts    int64 // bytes of messages being received, in memory

	Commits  uint64 // calls of Commit that succeeded
	Syncs    uint64 // groups of commits, each with one fdatasync
	Messages uint64 // messages committed
	Received uint64 // bytes of these
	Written  uint64 // bytes written to files; Written/Received is the write amplification
	Broken   uint64 // messages and parts of files set aside
}

// Stats takes a few locks for a moment each.
func (s *Spool) Stats() Stats {
	st := Stats{
		Live: s.index.count.Load(), LiveBytes: s.index.bytes.Load(),
		Drafts:  s.draftBytes.Load(),
		Commits: s.stats.commits.Load(), Syncs: s.stats.syncs.Load(),
		Messages: s.stats.messages.Load(), Received: s.stats.received.Load(),
		Written: s.stats.written.Load(), Broken: s.stats.broken.Load(),
	}
	st.DiskBytes = s.index.diskBytes() + s.keeper.checkpointSize.Load()
	s.held.mu.Lock()
	st.HeldBytes = s.held.bytes
	s.held.mu.Unlock()
	return st
}

// Open opens the spool in dir, which is made if it is missing, reads what is in
// it and makes it ready. ErrLocked: another process has it. ErrVersion: a newer
// mtad wrote it; nothing was touched.
func Open(dir string, opt Options) (*Spool, error) {
	opt.setDefaults()
	s := &Spool{dir: dir, fs: opt.FS, opt: opt, index: newIndex()}
	s.idle.L = &s.mu
	s.held = holder{m: map[ID]*held{}, budget: opt.BodyMemory}
	s.keeper.init()
	if err := s.openFolder(); err != nil {
		return nil, fmt.Errorf("cannot open spool %s: %w", dir, err)
	}
	if err := s.recover(); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("cannot read spool %s: %w", dir, err)
	}
	go s.keepUp()
	s.wakeKeeper()
	s.tell()
	return s, nil
}

// Close waits for the commits in flight and gives up the lock. Later calls of
// Commit fail.
func (s *Spool) Close() error {
	s.keeper.stop()
	if !s.Poisoned() {
		s.ids.close()
		// One more frame says that all before it is durable, and which ids are taken.
		_ = s.submit(&commit{ready: make(chan bool, 1)})
	}
	s.mu.Lock()
	already := s.closed
	s.closed = true
	for s.leading {
		s.idle.Wait()
	}
	s.mu.Unlock()
	if already {
		return errClosed
	}
	s.tell()
	return errors.Join(s.seg.f.Close(), s.lock.Close())
}
