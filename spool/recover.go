package spool

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Start: the newest sound checkpoint, then the segments from its number on, of
// which headers and records are read and bodies are not. What is bad below a
// sound frame was durable once: it is damage, set aside and reported. What is
// bad at the end of the last segment is a write that power cut off.

// recovery is the state of one start.
type recovery struct {
	s           *Spool
	segments    map[uint32]int64 // sizes
	checkpoints []uint32
	sizes       map[uint32]int64 // of checkpoints
	sealed      map[uint32]int64 // lengths, as the segments behind them say
	heads       map[uint32]fileHeader
	bodies      map[ID]int64 // files in body/
	strays      []string
	last        uint32 // the newest segment that has a header
	tail        int64  // where its last frame begins, which may never have been synced; -1 for none
	cut         int64  // where it ends
}

func (s *Spool) recover() error {
	r := &recovery{
		s: s, segments: map[uint32]int64{}, sizes: map[uint32]int64{}, sealed: map[uint32]int64{},
		heads: map[uint32]fileHeader{}, bodies: map[ID]int64{},
	}
	for _, step := range []func() error{
		r.list, r.readCheckpoint, r.readHeads, r.readSegments, r.syncTail,
		r.begin, r.dropOrphans, r.checkPlaces, r.reportStrays,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// list sorts what is in the folder by kind.
func (r *recovery) list() error {
	entries, err := r.s.fs.ReadDir(r.s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		r.sort(e)
	}
	slices.Sort(r.checkpoints)
	for n, size := range r.segments {
		r.s.index.grow(n, size)
		r.s.segments.last = max(r.s.segments.last, n)
	}
	if n := len(r.checkpoints); n > 0 {
		r.s.segments.last = max(r.s.segments.last, r.checkpoints[n-1])
	}
	return r.listBodies()
}

func (r *recovery) sort(e Entry) {
	if e.Dir && (e.Name == bodyFolder || e.Name == brokenFolder) {
		return
	}
	if !e.Regular {
		r.strays = append(r.strays, e.Name)
		return
	}
	if n, ok := parseNumbered(segmentPrefix, e.Name); ok {
		r.segments[n] = e.Size
		return
	}
	if n, ok := parseNumbered(checkpointPrefix, e.Name); ok {
		r.checkpoints = append(r.checkpoints, n)
		r.sizes[n] = e.Size
		return
	}
	switch {
	case e.Name == reserveName:
		r.s.space.reserve.Store(e.Size >= reserveSize)
	case strings.HasPrefix(e.Name, checkpointPrefix) && strings.HasSuffix(e.Name, tempSuffix):
		_ = r.s.fs.Remove(r.s.path(e.Name))
	case e.Name != versionName && e.Name != versionName+tempSuffix && e.Name != lockName && !isOurs(e.Name):
		r.strays = append(r.strays, e.Name)
	}
}

// isOurs reports whether another part of mtad keeps this file here: those begin
// with a dot or with "tls-".
func isOurs(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "tls-")
}

func (r *recovery) listBodies() error {
	entries, err := r.s.fs.ReadDir(r.s.path(bodyFolder))
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, err := ParseID(e.Name)
		if err != nil || !e.Regular {
			r.strays = append(r.strays, bodyFolder+"/"+e.Name)
			continue
		}
		r.bodies[id] = e.Size
	}
	return nil
}

// readCheckpoint loads the newest one that can be read.
func (r *recovery) readCheckpoint() error {
	for _, n := range slices.Backward(r.checkpoints) {
		damage, err := r.s.loadCheckpoint(n, r.sizes[n])
		if errors.Is(err, errCheckpoint) {
			damage = "its header is damaged"
		} else if err != nil {
			return err
		}
		if damage != "" {
			r.s.keeper.damaged = true
			name := numbered(checkpointPrefix, n)
			r.s.copyBroken(name, name, 0, r.sizes[n])
			r.broken(fmt.Sprintf("checkpoint %d of the spool is damaged: %s; a copy is in %s/, and no old segment is removed until the next start",
				n, damage, brokenFolder))
		}
		if err == nil {
			r.s.keeper.checkpoint.Store(n)
			r.s.keeper.checkpointSize.Store(r.sizes[n])
			return nil
		}
	}
	return nil
}

func (r *recovery) broken(text string) {
	r.s.stats.broken.Add(1)
	r.s.later(Event{Kind: "broken", Text: text})
}

// readHeads reads the headers of the segments that are to be read.
func (r *recovery) readHeads() error {
	for n, size := range r.segments {
		if n < r.s.keeper.checkpoint.Load() {
			continue
		}
		f, err := r.s.fs.Open(r.s.segmentPath(n), ReadOnly)
		if err != nil {
			return err
		}
		h, ok := readFileHeader(f, size)
		f.Close()
		if ok {
			r.heads[n] = h
			r.last = max(r.last, n)
			r.sealed[h.prev] = int64(h.sealed)
		}
	}
	for n, h := range r.heads {
		if h.prev != 0 && h.prev >= r.s.keeper.checkpoint.Load() && r.heads[h.prev] == (fileHeader{}) {
			if _, there := r.segments[h.prev]; !there {
				r.broken(fmt.Sprintf("segment %d of the spool, which segment %d follows, is missing; what it held is lost", h.prev, n))
			}
		}
	}
	return nil
}

func (r *recovery) readSegments() error {
	numbers := make([]uint32, 0, len(r.segments))
	for n := range r.segments {
		if n >= r.s.keeper.checkpoint.Load() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if _, ok := r.heads[n]; !ok {
			r.noHeader(n)
			continue
		}
		if err := r.readSegment(n); err != nil {
			return err
		}
	}
	return nil
}

// noHeader deals with a segment of which not even the first frame can be read.
// One that was never begun has no more than a header.
func (r *recovery) noHeader(n uint32) {
	if size := r.segments[n]; size > firstFrame {
		name := numbered(segmentPrefix, n)
		r.s.copyBroken(name, name, 0, size)
		r.broken(fmt.Sprintf("segment %d of the spool cannot be read: its header is damaged; a copy is in %s/", n, brokenFolder))
		return
	}
	if r.s.fs.Remove(r.s.segmentPath(n)) == nil {
		delete(r.segments, n)
		r.s.index.forgetSegment(n)
	}
}

// readSegment applies the frames of one segment. Each is held back until the
// next is seen: the last of a segment that was not sealed may be torn.
func (r *recovery) readSegment(n uint32) error {
	f, err := r.s.fs.Open(r.s.segmentPath(n), ReadOnly)
	if err != nil {
		return err
	}
	defer f.Close()
	limit, sealed := r.sealed[n]
	if !sealed || limit > r.segments[n] {
		limit = r.segments[n]
	}
	sealed = sealed || n != r.last
	scan := &scanner{f: f, size: limit, nonce: r.heads[n].nonce}
	off, held := int64(firstFrame), int64(-1)
	for off < limit {
		fr, ok, err := scan.frame(off)
		if err != nil {
			return err
		}
		if ok {
			if err := r.applyAt(scan, n, held); err != nil {
				return err
			}
			held, off = off, fr.end()
			continue
		}
		next, err := scan.resync(off + 1)
		if err != nil {
			return err
		}
		if next < 0 {
			break
		}
		if err := r.salvage(scan, n, off, next); err != nil {
			return err
		}
		off = next
	}
	return r.endSegment(scan, n, held, off, sealed)
}

// endSegment deals with the last frame, at held, and with what is behind it.
func (r *recovery) endSegment(scan *scanner, n uint32, held, off int64, sealed bool) error {
	whole := true
	if !sealed && held >= 0 {
		var err error
		if whole, err = scan.verify(held); err != nil {
			return err
		}
	}
	switch {
	case !whole:
		r.s.copyBroken(fmt.Sprintf("%s-%d", numbered(segmentPrefix, n), held), numbered(segmentPrefix, n), held, off)
		r.s.later(Event{Kind: "recovered", Text: fmt.Sprintf(
			"the last write to segment %d of the spool was not finished; its %d bytes were taken away, a copy is in %s/", n, off-held, brokenFolder)})
		off = held
	case sealed && off < scan.size:
		if err := r.salvage(scan, n, off, scan.size); err != nil {
			return err
		}
		off = scan.size
	}
	if whole {
		if err := r.applyAt(scan, n, held); err != nil {
			return err
		}
	}
	if n == r.last {
		r.tail, r.cut = held, off
		if sealed || !whole {
			r.tail = -1
		}
	}
	return nil
}

// applyAt applies the frame at off, if off is one.
func (r *recovery) applyAt(scan *scanner, n uint32, off int64) error {
	if off < 0 {
		return nil
	}
	fr, ok, err := scan.frame(off)
	if err != nil || !ok {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	damaged := false
	for _, p := range fr.pieces {
		if p.ok {
			_, err := r.s.index.apply(p.records, n, p.bodyOff)
			damaged = damaged || err != nil
		}
		damaged = damaged || !p.ok
	}
	if damaged {
		r.damage(n, off, fr.end())
	}
	return nil
}

// salvage reads what stands between two sound places where no frame header is:
// the pieces behind a damaged header, if they are sound and fill the place.
func (r *recovery) salvage(scan *scanner, n uint32, from, to int64) error {
	pieces, err := scan.salvage(from, to)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if _, err := r.s.index.apply(p.records, n, p.bodyOff); err != nil {
			pieces = nil
			break
		}
	}
	if pieces == nil {
		r.damage(n, from, to)
		return nil
	}
	r.s.later(Event{Kind: "recovered", Text: fmt.Sprintf(
		"segment %d of the spool has a damaged header at byte %d; what it led to is sound and was read", n, from)})
	return nil
}

// damage sets a part of a segment aside.
func (r *recovery) damage(n uint32, from, to int64) {
	name := numbered(segmentPrefix, n)
	r.s.copyBroken(fmt.Sprintf("%s-%d", name, from), name, from, to)
	r.broken(fmt.Sprintf("segment %d of the spool is damaged between bytes %d and %d; that part is in %s/, all else was read",
		n, from, to, brokenFolder))
}

// verify reports whether the frame at off is whole, bodies and all.
func (s *scanner) verify(off int64) (bool, error) {
	fr, ok, err := s.frame(off)
	if err != nil || !ok || !fr.whole() {
		return false, err
	}
	for _, p := range fr.pieces {
		at := p.bodyOff
		for rest := p.records; len(rest) > 0; {
			typ, value, next, err := nextRecord(rest)
			if err != nil {
				return false, nil
			}
			rest = next
			if typ != recNew && typ != recMoved {
				continue
			}
			rec, err := decodeRecord(typ, value)
			if err != nil {
				return false, nil
			}
			if int64(rec.place.n) > s.size-at {
				return false, nil
			}
			body := make([]byte, rec.place.n)
			if n, err := s.f.ReadAt(body, at); n < len(body) {
				return false, ignoreEOF(err)
			}
			if checksum(0, body) != rec.place.crc {
				return false, nil
			}
			at += int64(rec.place.n)
		}
	}
	return true, nil
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
