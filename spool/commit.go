package spool

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Commits form groups: who finds nobody writing leads, takes all that waits,
// writes it as one frame with one fdatasync, and wakes the others. Who comes
// meanwhile waits, and the first of them leads next.

// commit is one call of Commit on its way to the disk.
type commit struct {
	piece   []byte   // its records, nil when it only asks for ids
	bodies  [][]byte // the bytes of its messages, behind each other
	bodyLen int
	files   bool // a body has a file of its own, whose name must be durable first
	news    int  // messages it brings
	vital   bool // it only tells what became of messages: it may use the reserve
	ready   chan bool
	err     error
	gone    []departed
}

// What one group takes in at most; a single commit may be larger.
const (
	groupCommits = 1024
	groupBytes   = 32 << 20
	maxFrame     = 1 << 30
)

var errClosed = errors.New("spool is closed")

// Commit makes a batch durable. When it returns nil all of the batch will be
// there after a crash; on ErrFull and other errors none of it happened; on
// ErrPoisoned nobody knows. A draft that was committed is used up; one that was
// not can be tried again or discarded.
func (s *Spool) Commit(b *Batch) error {
	start := s.now()
	c, err := s.prepare(b)
	if err == nil && c != nil {
		err = s.submit(c)
	}
	defer s.tell()
	if err != nil || c == nil {
		return err
	}
	for _, d := range b.New {
		s.keep(d)
	}
	s.removeBodies(c.gone)
	s.stats.commits.Add(1)
	s.stats.messages.Add(uint64(c.news))
	if s.opt.Observe != nil {
		s.opt.Observe(s.now().Sub(start), c.news)
	}
	return nil
}

// prepare does what can be done before it is a commit's turn: checks, checksums,
// encoding, the sync of files. It returns nil for an empty batch.
func (s *Spool) prepare(b *Batch) (*commit, error) {
	if s.Poisoned() {
		return nil, s.poisonError()
	}
	if len(b.New)+len(b.Outcomes)+len(b.Freezes)+len(b.Warned)+len(b.Reroutes)+len(b.Hosts) == 0 {
		return nil, nil
	}
	c := &commit{piece: newPiece(), news: len(b.New), vital: len(b.New) == 0, ready: make(chan bool, 1)}
	for _, d := range b.New {
		if err := s.prepareNew(c, d); err != nil {
			return nil, err
		}
	}
	if err := s.check(b); err != nil {
		return nil, err
	}
	for i := range b.Outcomes {
		c.piece = appendOutcome(c.piece, &b.Outcomes[i])
	}
	for _, f := range b.Freezes {
		c.piece = appendFreeze(c.piece, f)
	}
	for _, w := range b.Warned {
		c.piece = appendWarned(c.piece, w.ID, uint8(min(w.Count, 255)))
	}
	for _, r := range b.Reroutes {
		c.piece = appendReroute(c.piece, r.ID, r.Rcpt, clean(r.To))
	}
	for _, h := range b.Hosts {
		c.piece = appendHost(c.piece, h)
	}
	sealPiece(c.piece, c.bodyLen)
	return c, nil
}

func (s *Spool) prepareNew(c *commit, d *Draft) error {
	e := d.Envelope
	if e == nil || len(e.Recipients) == 0 || len(e.Recipients) > maxRecipients {
		return errors.New("BUG: a message needs 1 to 65535 recipients")
	}
	if e.ID.IsZero() {
		e.ID = d.name
	}
	if e.ID.IsZero() {
		e.ID = s.NextID()
	}
	if e.Received.IsZero() {
		e.Received = s.now()
	}
	inline, crc, err := d.seal()
	if err != nil {
		return err
	}
	n := 0
	for _, p := range inline {
		n += len(p)
	}
	e.WireSize = d.Len() + int64(len(d.Header))
	if c.bodyLen+n > maxFrame {
		return fmt.Errorf("cannot commit more than %d bytes at once", maxFrame)
	}
	c.piece = appendNew(c.piece, e.ID, uint32(n), crc, e, d.fileBody())
	c.bodies = append(c.bodies, inline...)
	c.bodyLen += n
	c.files = c.files || d.file != nil
	for i := range e.Recipients {
		if r := &e.Recipients[i]; r.State != Pending || r.Attempts > 0 {
			c.piece = appendOutcome(c.piece, &Outcome{
				ID: e.ID, Rcpt: i, State: r.State, Attempts: r.Attempts,
				FirstFail: r.FirstFail, At: r.LastTry, Error: r.LastError,
			})
		}
	}
	return nil
}

// check refuses what speaks of messages that are not there.
func (s *Spool) check(b *Batch) error {
	recipients := func(id ID) (n int) {
		for _, d := range b.New {
			if d.Envelope.ID == id {
				return len(d.Envelope.Recipients)
			}
		}
		s.index.with(id, func(e *entry) { n = int(e.rcpts) })
		return n
	}
	for i := range b.Outcomes {
		o := &b.Outcomes[i]
		switch n := recipients(o.ID); {
		case n == 0:
			return fmt.Errorf("%s: %w", o.ID, ErrUnknown)
		case o.Rcpt < 0 || o.Rcpt >= n:
			return fmt.Errorf("BUG: message %s has no recipient %d", o.ID, o.Rcpt)
		}
	}
	for _, r := range b.Reroutes {
		switch n := recipients(r.ID); {
		case n == 0:
			return fmt.Errorf("%s: %w", r.ID, ErrUnknown)
		case r.Rcpt < 0 || r.Rcpt >= n:
			return fmt.Errorf("BUG: message %s has no recipient %d", r.ID, r.Rcpt)
		}
	}
	for _, f := range b.Freezes {
		if recipients(f.ID) == 0 {
			return fmt.Errorf("%s: %w", f.ID, ErrUnknown)
		}
	}
	for _, w := range b.Warned {
		if recipients(w.ID) == 0 {
			return fmt.Errorf("%s: %w", w.ID, ErrUnknown)
		}
	}
	for _, h := range b.Hosts {
		if len(h.Key) > 1024 || len(h.Value) > 1024 {
			return errors.New("BUG: host fact over 1 KB")
		}
	}
	return nil
}

// submit waits until a group with c in it was written.
func (s *Spool) submit(c *commit) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.queue = append(s.queue, c)
	lead := !s.leading
	s.leading = true
	s.mu.Unlock()
	if lead || <-c.ready {
		s.lead(c)
	}
	return c.err
}

// lead writes one group and hands the lead on. Its own commit is in the group,
// as the first of the queue.
func (s *Spool) lead(own *commit) {
	// Who is ready to run may be about to commit: let it join, so that one sync
	// serves more. With nobody else to run this costs nothing.
	runtime.Gosched()
	s.mu.Lock()
	group := s.takeGroup()
	s.mu.Unlock()
	s.writeGroup(group)
	s.mu.Lock()
	if len(s.queue) > 0 {
		s.queue[0].ready <- true
	} else {
		s.leading = false
		s.idle.Broadcast()
	}
	s.mu.Unlock()
	for _, c := range group {
		if c != own {
			c.ready <- false
		}
	}
}

func (s *Spool) takeGroup() []*commit {
	n, size := 0, 0
	for n < len(s.queue) && n < groupCommits {
		size += s.queue[n].bodyLen
		if n > 0 && size > groupBytes {
			break
		}
		n++
	}
	group := s.queue[:n:n]
	s.queue = append([]*commit(nil), s.queue[n:]...)
	return group
}

// writeGroup makes a group durable and the index know it. When the disk is
// full, what only tells outcomes is tried alone, and then with the reserve.
func (s *Spool) writeGroup(group []*commit) {
	err := s.writeFrame(group)
	if isFull(err) {
		var outcomes []*commit
		for _, c := range group {
			c.err = err
			if c.vital {
				outcomes = append(outcomes, c)
			}
		}
		if len(outcomes) == 0 {
			return
		}
		if len(outcomes) < len(group) {
			err = s.writeFrame(outcomes)
		}
		if isFull(err) && s.releaseReserve() {
			err = s.writeFrame(outcomes)
		}
		group = outcomes
	}
	for _, c := range group {
		c.err = err
	}
}

func (s *Spool) writeFrame(group []*commit) error {
	if s.Poisoned() {
		return s.poisonError()
	}
	pieces := make([][]byte, 0, len(group)+1)
	var bodies [][]byte
	upTo := s.addReservation(&pieces)
	files, size := false, 0
	for _, c := range group {
		if c.piece != nil {
			pieces = append(pieces, c.piece)
		}
		bodies = append(bodies, c.bodies...)
		files = files || c.files
		size += len(c.piece) + c.bodyLen
	}
	if len(pieces) == 0 {
		return nil
	}
	if err := s.makeReady(files, int64(size)); err != nil {
		return err
	}
	off, err := s.write(0, pieces, bodies)
	if err != nil {
		return full(err)
	}
	s.ids.reserved.Store(max(upTo, s.ids.reserved.Load()))
	s.applyGroup(group, off)
	return nil
}

func (s *Spool) addReservation(pieces *[][]byte) (upTo uint64) {
	rec, upTo := s.reservation()
	if rec != nil {
		p := append(newPiece(), rec...)
		sealPiece(p, 0)
		*pieces = append(*pieces, p)
	}
	return upTo
}

// makeReady makes sure that there is a segment to write to, and that the names of
// body files are durable before a record that speaks of them.
func (s *Spool) makeReady(files bool, size int64) error {
	if s.seg.size > firstFrame && s.seg.size+size > s.opt.SegmentSize {
		// Without room for another segment this one grows on.
		err := s.roll()
		if s.Poisoned() {
			return s.poisonError()
		}
		if err == nil {
			s.wakeKeeper()
		} else if s.seg.size+size > 2*maxFrame {
			return full(err)
		}
	}
	if files {
		if err := s.fs.SyncDir(s.path(bodyFolder)); err != nil {
			return s.poisonBy(err)
		}
	}
	return nil
}

func (s *Spool) applyGroup(group []*commit, off int64) {
	for _, c := range group {
		if c.piece == nil {
			continue
		}
		gone, err := s.index.apply(c.piece[pieceSize:], s.seg.number, off)
		if err != nil {
			panic("BUG: cannot read what was written: " + err.Error())
		}
		c.gone = gone
		off += int64(c.bodyLen)
		for _, d := range gone {
			s.held.forget(d.id)
		}
	}
	if s.index.emptied.Swap(false) {
		s.wakeKeeper()
	}
}

func isFull(err error) bool {
	return !errors.Is(err, ErrPoisoned) && (errors.Is(err, ErrFull) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT))
}

// full makes ErrFull of the system's words for it.
func full(err error) error {
	if isFull(err) && !errors.Is(err, ErrFull) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// poisonBy ends all writing: after a failed sync nobody knows what the disk has.
func (s *Spool) poisonBy(cause error) error {
	err := fmt.Errorf("%w: %w", ErrPoisoned, cause)
	if s.poison.CompareAndSwap(nil, &err) {
		s.later(Event{Kind: "poisoned", Text: fmt.Sprintf(
			"%v; nothing more is accepted or delivered: look at the disk below %s, then restart", err, s.dir)})
	}
	return s.poisonError()
}

func (s *Spool) poisonError() error { return *s.poison.Load() }

// Poisoned reports whether a sync failed. Only a restart cures it.
func (s *Spool) Poisoned() bool { return s.poison.Load() != nil }

// later keeps an event until tell is called without locks held.
func (s *Spool) later(e Event) {
	s.eventMu.Lock()
	s.events = append(s.events, e)
	s.eventMu.Unlock()
}

func (s *Spool) tell() {
	s.eventMu.Lock()
	events := s.events
	s.events = nil
	s.eventMu.Unlock()
	if s.opt.Report == nil {
		return
	}
	for _, e := range events {
		s.opt.Report(e)
	}
}

// removeBodies unlinks the files of messages that have left, which is durable.
// What a crash leaves, start takes away.
func (s *Spool) removeBodies(gone []departed) {
	for _, d := range gone {
		if d.file != nil {
			_ = s.fs.Remove(s.bodyPath(d.file.name))
		}
	}
}

func (s *Spool) now() time.Time { return time.Now() }
