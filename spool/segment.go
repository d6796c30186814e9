package spool

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

// segment is the log file that grows. It belongs to the leader of a commit.
type segment struct {
	f      File
	number uint32
	nonce  uint64
	size   int64  // all before it is durable
	head   []byte // of the frame being written
}

const (
	segmentPrefix    = "seg-"
	checkpointPrefix = "checkpoint-"
	bodyFolder       = "body"
	brokenFolder     = "broken"
)

func numbered(prefix string, n uint32) string { return fmt.Sprintf("%s%010d", prefix, n) }

// parseNumbered is the inverse of numbered.
func parseNumbered(prefix, name string) (uint32, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, prefix), 10, 32)
	return uint32(n), err == nil && n > 0 && name == numbered(prefix, uint32(n))
}

func (s *Spool) path(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

func (s *Spool) segmentPath(n uint32) string { return s.path(numbered(segmentPrefix, n)) }

func (s *Spool) bodyPath(id ID) string { return s.path(bodyFolder, id.String()) }

// createLog makes a log file with its header, durable but for its name.
func (s *Spool) createLog(name string, h *fileHeader) (File, error) {
	f, err := s.fs.Open(name, Create)
	if err != nil {
		return nil, err
	}
	head := h.append(h.append(nil))
	n, err := f.WriteAt([][]byte{head}, 0)
	s.stats.written.Add(uint64(n))
	if err == nil {
		err = f.Datasync()
	}
	if err != nil {
		f.Close()
		_ = s.fs.Remove(name) // start takes a file without frames away
		return nil, err
	}
	return f, nil
}

func newNonce() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// roll begins a new segment behind the present one.
func (s *Spool) roll() error {
	s.segments.last++ // a number is used once, also when this fails
	h := fileHeader{number: s.segments.last, nonce: newNonce()}
	if s.seg != nil {
		h.prev, h.sealed = s.seg.number, uint64(s.seg.size)
	}
	return s.startSegment(h)
}

func (s *Spool) startSegment(h fileHeader) error {
	name := s.segmentPath(h.number)
	f, err := s.createLog(name, &h)
	if err != nil {
		return fmt.Errorf("cannot begin spool segment: %w", err)
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		f.Close()
		return s.poisonBy(fmt.Errorf("cannot sync %s: %w", s.dir, err))
	}
	if s.seg != nil {
		s.seg.f.Close()
	}
	s.seg = &segment{f: f, number: h.number, nonce: h.nonce, size: firstFrame}
	s.keeper.active.Store(h.number)
	s.index.grow(h.number, firstFrame)
	return nil
}

// write appends one frame and makes it durable. When it could not be written
// the segment is as it was; when it could not be synced nobody knows what it is.
func (s *Spool) write(flags uint32, pieces, bodies [][]byte) (bodyOff int64, err error) {
	g := s.seg
	bufs, h := g.frame(flags, pieces, bodies)
	n, err := g.f.WriteAt(bufs, g.size)
	s.stats.written.Add(uint64(n))
	if err != nil {
		return 0, s.takeBack(err)
	}
	if err := g.f.Datasync(); err != nil {
		return 0, s.poisonBy(err)
	}
	s.stats.syncs.Add(1)
	bodyOff = g.size + headerSize + int64(h.metaLen)
	g.size = h.end()
	s.index.grow(g.number, g.size)
	return bodyOff, nil
}

// takeBack undoes a failed write: what was refused must not be found after a crash.
func (s *Spool) takeBack(cause error) error {
	err := s.seg.f.Truncate(s.seg.size)
	if err == nil {
		err = s.seg.f.Datasync()
	}
	if err != nil {
		return s.poisonBy(fmt.Errorf("cannot take back a failed write: %w", err))
	}
	return cause
}

// frame lays out a frame at the end of the segment.
func (g *segment) frame(flags uint32, pieces, bodies [][]byte) ([][]byte, frameHeader) {
	h := frameHeader{flags: flags, nonce: g.nonce, offset: uint64(g.size)}
	for _, p := range pieces {
		h.metaLen += uint32(len(p))
	}
	for _, b := range bodies {
		h.bodyLen += uint64(len(b))
	}
	if g.head == nil {
		g.head = make([]byte, headerSize)
	}
	h.put(g.head)
	bufs := make([][]byte, 0, 1+len(pieces)+len(bodies))
	bufs = append(bufs, g.head)
	bufs = append(bufs, pieces...)
	return append(bufs, bodies...), h
}

// readFileHeader takes the first copy of a log file's header that is sound, or
// what the first frame knows of it.
func readFileHeader(f io.ReaderAt, size int64) (h fileHeader, ok bool) {
	b := make([]byte, firstFrame+headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return h, false
	}
	b = b[:n]
	for i := 0; i < 2 && len(b) >= (i+1)*headerSize; i++ {
		if h, ok = parseFileHeader(b[i*headerSize:]); ok {
			return h, true
		}
	}
	if len(b) == cap(b) {
		nonce := binary.LittleEndian.Uint64(b[firstFrame+8:])
		_, ok = parseFrameHeader(b[firstFrame:], nonce, firstFrame, size)
		return fileHeader{nonce: nonce}, ok
	}
	return h, false
}
