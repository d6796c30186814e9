package spool

import (
	"errors"
	"io"
	"sync"
)

// Draft is a message being received. It is not safe for concurrent use. Its
// bytes are in chunks of memory from a pool, written to the log from there;
// those of a large message go to a file as they come.
type Draft struct {
	Envelope *Envelope // filled in by the caller before Commit
	Header   []byte    // put on top of the message; set before Commit, not changed after

	s       *Spool
	chunks  [][]byte
	n       int64 // bytes kept
	charge  int64 // bytes of chunks, as counted in s.draftBytes
	name    ID    // of the file
	file    File  // nil while all is in memory
	flushed int64 // bytes in the file …
	crc     uint32
	started int64 // … of which the disk was asked to take these already
	err     error // of the file, for good
	made    bool  // the file has a name in body/
}

const (
	smallChunk = 16 << 10
	largeChunk = 64 << 10
	bulkChunk  = 256 << 10 // of large bodies, in memory and to and from files
	spillFrom  = 64 << 10  // a draft below this never goes to a file

	// writeBehind is how much of a large message is given to the disk while the
	// rest still comes, so that its fdatasync finds little left to do.
	writeBehind = 512 << 10
)

var (
	smallChunks = sync.Pool{New: func() any { return new([smallChunk]byte) }}
	largeChunks = sync.Pool{New: func() any { return new([largeChunk]byte) }}
	bulkChunks  = sync.Pool{New: func() any { return new([bulkChunk]byte) }}
)

func newChunk(n int) []byte {
	switch {
	case n <= smallChunk:
		return smallChunks.Get().(*[smallChunk]byte)[:0]
	case n <= largeChunk:
		return largeChunks.Get().(*[largeChunk]byte)[:0]
	case n <= bulkChunk:
		return bulkChunks.Get().(*[bulkChunk]byte)[:0]
	}
	return make([]byte, 0, n)
}

func freeChunk(c []byte) {
	switch cap(c) {
	case smallChunk:
		smallChunks.Put((*[smallChunk]byte)(c[:smallChunk]))
	case largeChunk:
		largeChunks.Put((*[largeChunk]byte)(c[:largeChunk]))
	case bulkChunk:
		bulkChunks.Put((*[bulkChunk]byte)(c[:bulkChunk]))
	}
}

// NewDraft begins a message. It costs no system call.
func (s *Spool) NewDraft() *Draft { return &Draft{Envelope: &Envelope{}, s: s} }

// Len is the bytes kept so far, without Header.
func (d *Draft) Len() int64 { return d.n }

// Space returns writable memory, at least min bytes of it, good until the next
// call of any method. What is to stay is kept by Advance.
func (d *Draft) Space(min int) []byte {
	min = max(min, 1)
	if last := len(d.chunks) - 1; last >= 0 {
		c := d.chunks[last]
		if cap(c)-len(c) >= min {
			return c[len(c):cap(c)]
		}
		if len(c) == 0 {
			d.drop(last)
		}
	}
	switch {
	case (d.file != nil || d.n >= bulkChunk/2) && !d.s.pressed():
		min = max(min, bulkChunk)
	case len(d.chunks) > 0:
		min = max(min, largeChunk)
	}
	c := newChunk(min)
	d.chunks = append(d.chunks, c)
	d.account(int64(cap(c)))
	return c[:cap(c)]
}

func (d *Draft) account(n int64) {
	d.charge += n
	d.s.draftBytes.Add(n)
}

// drop gives back the chunks from i on.
func (d *Draft) drop(i int) {
	for _, c := range d.chunks[i:] {
		d.account(-int64(cap(c)))
		freeChunk(c)
	}
	d.chunks = d.chunks[:i]
}

// Advance keeps the first n bytes of what Space returned. An error is that of
// the file of a large message, ErrFull among them; the draft is then lost.
func (d *Draft) Advance(n int) error {
	if n == 0 {
		return d.err
	}
	last := len(d.chunks) - 1
	c := d.chunks[last]
	d.chunks[last] = c[:len(c)+n]
	d.n += int64(n)
	if d.err == nil && d.spills() {
		d.err = d.flush()
	}
	return d.err
}

// spills reports whether it is time to write to the file what is in memory.
func (d *Draft) spills() bool {
	buffered := d.n - d.flushed
	switch {
	case d.file != nil:
		return buffered >= int64(cap(d.chunks[0]))/2
	case d.n > d.s.opt.LargeBody:
		return true
	}
	return buffered > spillFrom && d.s.pressed()
}

// pressed reports that the messages being received take all the memory they may.
func (s *Spool) pressed() bool { return s.draftBytes.Load() > s.opt.DraftMemory }

// flush moves what is in memory to the file.
func (d *Draft) flush() error {
	if d.file == nil {
		if err := d.create(); err != nil {
			return full(err)
		}
	}
	for _, c := range d.chunks {
		d.crc = checksum(d.crc, c)
	}
	n, err := d.file.WriteAt(d.chunks, d.flushed)
	d.s.stats.written.Add(uint64(n))
	if err != nil {
		return full(err)
	}
	d.flushed = d.n
	d.recycle()
	if d.flushed-d.started >= writeBehind {
		d.file.StartWriting(d.started, d.flushed-d.started)
		d.started = d.flushed
	}
	return nil
}

// recycle empties the chunks, of which one that serves a file is kept.
func (d *Draft) recycle() {
	if len(d.chunks) == 1 && cap(d.chunks[0]) == bulkChunk && !d.s.pressed() {
		d.chunks[0] = d.chunks[0][:0]
		return
	}
	d.drop(0)
}

func (d *Draft) create() (err error) {
	d.name = d.s.NextID()
	if d.Envelope != nil && !d.Envelope.ID.IsZero() {
		d.name = d.Envelope.ID
	}
	d.file, err = d.s.fs.Open(d.s.bodyPath(d.name), Create)
	d.made = err == nil
	return err
}

// Write appends p.
func (d *Draft) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(d.Space(1), p[n:])
		if err := d.Advance(m); err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// Truncate forgets all but the first n bytes.
func (d *Draft) Truncate(n int64) error {
	if n < 0 || n > d.n {
		return errors.New("BUG: a draft can only be made shorter")
	}
	if n < d.flushed {
		d.drop(0)
		d.n = n
		if d.err == nil {
			d.err = d.cutFile(n)
		}
		return d.err
	}
	keep := n - d.flushed
	for i, c := range d.chunks {
		if int64(len(c)) >= keep {
			d.chunks[i] = c[:keep]
			d.drop(i + 1)
			break
		}
		keep -= int64(len(c))
	}
	d.n = n
	return nil
}

// cutFile makes the file n bytes long and computes its CRC anew.
func (d *Draft) cutFile(n int64) error {
	if err := d.file.Truncate(n); err != nil {
		return err
	}
	d.flushed, d.crc, d.started = 0, 0, min(d.started, n)
	buf := newChunk(largeChunk)
	defer freeChunk(buf)
	for d.flushed < n {
		p := buf[:min(int64(cap(buf)), n-d.flushed)]
		if m, err := d.file.ReadAt(p, d.flushed); m < len(p) {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		d.crc = checksum(d.crc, p)
		d.flushed += int64(len(p))
	}
	return nil
}

// seal makes a draft ready to be committed: its file is durable but for the
// name. It returns what goes into the log, and the CRC of that.
func (d *Draft) seal() (inline [][]byte, crc uint32, err error) {
	if d.s == nil {
		return nil, 0, errors.New("BUG: a draft is committed once")
	}
	if d.err == nil && d.file != nil {
		d.err = d.sealFile()
	}
	if d.err != nil {
		return nil, 0, d.err
	}
	inline = append(make([][]byte, 0, 1+len(d.chunks)), d.Header)
	if d.file == nil {
		inline = append(inline, d.chunks...)
	}
	for _, p := range inline {
		crc = checksum(crc, p)
	}
	return inline, crc, nil
}

func (d *Draft) sealFile() error {
	if d.flushed < d.n {
		if err := d.flush(); err != nil {
			return err
		}
	}
	if err := d.file.Datasync(); err != nil {
		return d.s.poisonBy(err)
	}
	return nil
}

func (d *Draft) fileBody() *fileBody {
	if d.file == nil {
		return nil
	}
	return &fileBody{name: d.name, n: d.flushed, crc: d.crc}
}

// Discard frees the memory and the file of a draft that is not to be
// committed. It is idempotent, and harmless after Commit.
func (d *Draft) Discard() {
	if d.s == nil {
		return
	}
	d.drop(0)
	if d.file != nil {
		d.file.Close()
	}
	// After a failed sync the log may speak of the file; start will know.
	if d.made && !d.s.Poisoned() {
		_ = d.s.fs.Remove(d.s.bodyPath(d.name))
	}
	d.s, d.file, d.n = nil, nil, 0
}

// keep takes over what a committed draft holds: its chunks become the copy that
// the first delivery attempt reads, if there is room for it.
func (s *Spool) keep(d *Draft) {
	if d.file != nil {
		d.file.Close()
		d.drop(0)
	} else {
		d.s.draftBytes.Add(-d.charge)
		s.held.keep(d.Envelope.ID, &held{header: d.Header, chunks: d.chunks, size: d.charge + int64(len(d.Header))})
		if !s.index.with(d.Envelope.ID, func(*entry) {}) {
			s.held.forget(d.Envelope.ID) // it left as soon as it came
		}
	}
	s.stats.received.Add(uint64(d.Envelope.WireSize))
	d.s, d.file, d.chunks = nil, nil, nil
}
