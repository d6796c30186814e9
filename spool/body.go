package spool

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// Body is the bytes of a message as they came off the wire, Header on top:
// dot-stuffed, without the final dot. Small ones are in memory; large ones are
// streamed from their file.
type Body struct {
	s    *Spool
	id   ID
	held *held
	file File // nil when all is in held
	want *fileBody
	once sync.Once
}

// held is bytes in memory, shared by all who read the message. The counts are
// guarded by holder.mu.
type held struct {
	header []byte
	chunks [][]byte // from the pool, given back with the last reference
	size   int64    // counted against the budget
	refs   int
	kept   bool // one reference is the holder's own
}

// holder keeps the bytes of messages until their first delivery attempt, within
// a budget, and shares those that are being read.
type holder struct {
	mu     sync.Mutex
	m      map[ID]*held
	bytes  int64
	budget int64
}

// keep holds on to h if there is room, and frees it otherwise.
func (k *holder) keep(id ID, h *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m[id] != nil || k.bytes+h.size > k.budget {
		h.free()
		return
	}
	h.refs, h.kept = 1, true
	k.bytes += h.size
	k.m[id] = h
}

func (k *holder) get(id ID) *held {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.m[id]
	if h != nil {
		h.refs++
	}
	return h
}

// share makes bytes that were just read available to others; if somebody was
// faster, his are taken.
func (k *holder) share(id ID, h *held) *held {
	k.mu.Lock()
	defer k.mu.Unlock()
	if other := k.m[id]; other != nil {
		other.refs++
		h.free()
		return other
	}
	h.refs = 1
	k.m[id] = h
	return h
}

func (k *holder) forget(id ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.m[id]; h != nil && h.kept {
		h.kept = false
		k.bytes -= h.size
		k.unref(id, h)
	}
}

func (k *holder) release(id ID, h *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unref(id, h)
}

func (k *holder) unref(id ID, h *held) {
	if h.refs--; h.refs > 0 {
		return
	}
	if k.m[id] == h {
		delete(k.m, id)
	}
	h.free()
}

func (h *held) free() {
	for _, c := range h.chunks {
		freeChunk(c)
	}
	h.chunks = nil
}

func (h *held) buffers() net.Buffers {
	bufs := make(net.Buffers, 0, 1+len(h.chunks))
	for _, p := range append([][]byte{h.header}, h.chunks...) {
		if len(p) > 0 {
			bufs = append(bufs, p)
		}
	}
	return bufs
}

// Forget gives up the copy in memory of a message's bytes. Bodies that are open
// keep it until their Release.
func (s *Spool) Forget(id ID) { s.held.forget(id) }

// Body opens the bytes of a message. ErrUnknown: there is no such message.
// ErrBroken: they are damaged; the message was set aside and reported. Other
// errors are those of the disk, and may pass.
func (s *Spool) Body(id ID) (*Body, error) {
	defer s.tell()
	if h := s.held.get(id); h != nil {
		return &Body{s: s, id: id, held: h}, nil
	}
	var err error
	for range 3 { // while we look, the bytes may be moved and their segment unlinked
		var p place
		var f *fileBody
		if !s.index.with(id, func(e *entry) { p, f = e.place, e.file() }) {
			return nil, ErrUnknown
		}
		var b *Body
		if b, err = s.openBody(id, p, f); err == nil {
			return b, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return nil, s.bodyError(id, err)
}

// bodyError sets a message aside whose bytes are not what they were.
func (s *Spool) bodyError(id ID, err error) error {
	if errors.Is(err, ErrBroken) || errors.Is(err, os.ErrNotExist) {
		return s.setAside(id, err)
	}
	return err
}

func (s *Spool) openBody(id ID, p place, f *fileBody) (*Body, error) {
	buf, err := s.readInline(p)
	if err != nil {
		return nil, err
	}
	b := &Body{s: s, id: id, want: f}
	if f == nil {
		b.held = s.held.share(id, &held{chunks: [][]byte{buf}})
		return b, nil
	}
	b.held = &held{header: buf, refs: 1}
	if b.file, err = s.fs.Open(s.bodyPath(f.name), ReadOnly); err != nil {
		return nil, err
	}
	if n, err := b.file.Size(); err != nil || n != f.n {
		b.file.Close()
		if err == nil {
			err = fmt.Errorf("%w: file %s has %d bytes, not %d", ErrBroken, f.name, n, f.n)
		}
		return nil, err
	}
	return b, nil
}

// readInline reads what the log has of a message, and verifies it.
func (s *Spool) readInline(p place) ([]byte, error) {
	f, err := s.fs.Open(s.segmentPath(p.seg), ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := newChunk(int(p.n))[:p.n]
	n, err := f.ReadAt(buf, int64(p.off))
	switch {
	case n < len(buf) && (err == nil || err == io.EOF):
		err = fmt.Errorf("%w: segment %d ends before byte %d", ErrBroken, p.seg, int64(p.off)+int64(p.n))
	case n == len(buf) && checksum(0, buf) != p.crc:
		err = fmt.Errorf("%w: wrong checksum in segment %d at byte %d", ErrBroken, p.seg, p.off)
	case n == len(buf):
		return buf, nil
	}
	freeChunk(buf)
	return nil, err
}

// Len is the bytes of Header and body.
func (b *Body) Len() (n int64) {
	for _, p := range b.held.buffers() {
		n += int64(len(p))
	}
	if b.file != nil {
		n += b.want.n
	}
	return n
}

// Buffers returns the whole message, verified; nil when it is streamed. The
// bytes are shared and must not be changed, nor used after Release; the slice
// itself is the caller's.
func (b *Body) Buffers() net.Buffers {
	if b.file != nil {
		return nil
	}
	return b.held.buffers()
}

// WriteTo writes the message to w. Bytes that are streamed are verified before
// the last of them are given out: a reader of a damaged message never sees its
// end, and WriteTo returns ErrBroken.
func (b *Body) WriteTo(w io.Writer) (n int64, err error) {
	bufs := b.held.buffers()
	if n, err = bufs.WriteTo(w); err != nil || b.file == nil {
		return n, err
	}
	defer b.s.tell()
	m, err := b.stream(w)
	if errors.Is(err, ErrBroken) {
		err = b.s.setAside(b.id, err)
	}
	return n + m, err
}

func (b *Body) stream(w io.Writer) (n int64, err error) {
	buf := newChunk(bulkChunk)
	defer freeChunk(buf)
	var crc uint32
	for n < b.want.n {
		p := buf[:min(int64(cap(buf)), b.want.n-n)]
		m, err := b.file.ReadAt(p, n)
		if m < len(p) {
			if err == nil || err == io.EOF {
				err = fmt.Errorf("%w: file %s is cut short", ErrBroken, b.want.name)
			}
			return n, err
		}
		crc = checksum(crc, p)
		if n+int64(m) == b.want.n && crc != b.want.crc {
			return n, fmt.Errorf("%w: wrong checksum of file %s", ErrBroken, b.want.name)
		}
		if m, err = w.Write(p); err != nil {
			return n + int64(m), err
		}
		n += int64(m)
	}
	return n, nil
}

// Release ends the use of the bytes. It must be called exactly once.
func (b *Body) Release() {
	b.once.Do(func() {
		if b.file != nil {
			b.file.Close()
			return
		}
		b.s.held.release(b.id, b.held)
	})
}
