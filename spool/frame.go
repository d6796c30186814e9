package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// A log file (segment or checkpoint) begins with its header, twice, and goes
// on in frames. A frame is what one fdatasync made durable: header, pieces,
// bodies. A piece is what one Commit brought: length of its records, length of
// the bodies that belong to it, CRC, records.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

const (
	fileMagic  = 0x3153746d // "mtS1"
	frameMagic = 0x3146746d // "mtF1"

	headerSize = 64
	firstFrame = 2 * headerSize
	pieceSize  = 12 // what stands before the records of a piece

	frameCopy = 1 // flag: says again what the frame before it said
)

// fileHeader begins a log file.
type fileHeader struct {
	number uint32
	nonce  uint64 // in each frame header of this file: mail cannot know it, so mail is never taken for a frame
	prev   uint32 // the segment before this one, 0 for none …
	sealed uint64 // … and how long it was, all of it durable
}

func (h *fileHeader) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	b := dst[at:]
	binary.LittleEndian.PutUint32(b[0:], fileMagic)
	binary.LittleEndian.PutUint32(b[4:], h.number)
	binary.LittleEndian.PutUint64(b[8:], h.nonce)
	binary.LittleEndian.PutUint32(b[16:], h.prev)
	binary.LittleEndian.PutUint64(b[24:], h.sealed)
	seal(b)
	return dst
}

func parseFileHeader(b []byte) (h fileHeader, ok bool) {
	if !sealedBy(b, fileMagic) {
		return h, false
	}
	return fileHeader{
		number: binary.LittleEndian.Uint32(b[4:]),
		nonce:  binary.LittleEndian.Uint64(b[8:]),
		prev:   binary.LittleEndian.Uint32(b[16:]),
		sealed: binary.LittleEndian.Uint64(b[24:]),
	}, true
}

// seal puts the CRC of a header at its end.
func seal(b []byte) {
	binary.LittleEndian.PutUint32(b[headerSize-4:], checksum(0, b[:headerSize-4]))
}

func sealedBy(b []byte, magic uint32) bool {
	return len(b) >= headerSize && binary.LittleEndian.Uint32(b) == magic &&
		binary.LittleEndian.Uint32(b[headerSize-4:]) == checksum(0, b[:headerSize-4])
}

// frameHeader begins a frame. That it is there says that all before offset is
// durable: a frame is begun when the one before it is synced.
type frameHeader struct {
	flags   uint32
	nonce   uint64
	offset  uint64 // its own place in the file
	metaLen uint32 // bytes of the pieces
	bodyLen uint64
}

func (h *frameHeader) put(b []byte) {
	clear(b[:headerSize])
	binary.LittleEndian.PutUint32(b[0:], frameMagic)
	binary.LittleEndian.PutUint32(b[4:], h.flags)
	binary.LittleEndian.PutUint64(b[8:], h.nonce)
	binary.LittleEndian.PutUint64(b[16:], h.offset)
	binary.LittleEndian.PutUint32(b[24:], h.metaLen)
	binary.LittleEndian.PutUint64(b[32:], h.bodyLen)
	seal(b[:headerSize])
}

func (h *frameHeader) end() int64 {
	return int64(h.offset) + headerSize + int64(h.metaLen) + int64(h.bodyLen)
}

// parseFrameHeader wants a header that belongs to this file and this place and
// does not reach over the end of the file.
func parseFrameHeader(b []byte, nonce uint64, off, size int64) (h frameHeader, ok bool) {
	if !sealedBy(b, frameMagic) {
		return h, false
	}
	h = frameHeader{
		flags:   binary.LittleEndian.Uint32(b[4:]),
		nonce:   binary.LittleEndian.Uint64(b[8:]),
		offset:  binary.LittleEndian.Uint64(b[16:]),
		metaLen: binary.LittleEndian.Uint32(b[24:]),
		bodyLen: binary.LittleEndian.Uint64(b[32:]),
	}
	ok = h.nonce == nonce && h.offset == uint64(off) && h.bodyLen <= uint64(size) && h.end() <= size
	return h, ok
}

// newPiece leaves room for what sealPiece writes.
func newPiece() []byte { return make([]byte, pieceSize, 512) }

func sealPiece(p []byte, bodyLen int) {
	binary.LittleEndian.PutUint32(p[0:], uint32(len(p)-pieceSize))
	binary.LittleEndian.PutUint32(p[4:], uint32(bodyLen))
	crc := checksum(checksum(0, p[:8]), p[pieceSize:])
	binary.LittleEndian.PutUint32(p[8:], crc)
}

// piece is one of a frame that was read.
type piece struct {
	records []byte
	bodyOff int64 // in the file
	bodyLen int
	ok      bool
}

// splitPieces cuts the meta part of a frame. A piece whose CRC is wrong is not
// ok; if even its lengths make no sense it is the last.
func splitPieces(meta []byte, bodyOff int64) (pieces []piece) {
	for len(meta) > 0 {
		if len(meta) < pieceSize {
			return append(pieces, piece{})
		}
		n := uint64(binary.LittleEndian.Uint32(meta))
		if n > uint64(len(meta)-pieceSize) {
			return append(pieces, piece{})
		}
		records := meta[pieceSize : pieceSize+n]
		crc := checksum(checksum(0, meta[:8]), records)
		ok := crc == binary.LittleEndian.Uint32(meta[8:])
		bodyLen := int(binary.LittleEndian.Uint32(meta[4:]))
		pieces = append(pieces, piece{records: records, bodyOff: bodyOff, bodyLen: bodyLen, ok: ok})
		bodyOff += int64(bodyLen)
		meta = meta[pieceSize+n:]
	}
	return pieces
}

// frame is one that was read, without its bodies.
type frame struct {
	frameHeader
	pieces []piece
}

// whole reports whether all pieces are sound.
func (f *frame) whole() bool {
	for i := range f.pieces {
		if !f.pieces[i].ok {
			return false
		}
	}
	return true
}

// scanner reads the frames of a log file.
type scanner struct {
	f     io.ReaderAt
	size  int64 // nothing from here on counts
	nonce uint64
	buf   []byte
}

// readAhead is what one read asks for: the meta part of most frames fits.
const readAhead = 4096

// frame reads the frame at off. What it gives is good until the next call. An
// error is one of the disk; ok is false where no frame is.
func (s *scanner) frame(off int64) (fr frame, ok bool, err error) {
	head, err := s.read(off, readAhead)
	if err != nil {
		return fr, false, err
	}
	h, ok := parseFrameHeader(head, s.nonce, off, s.size)
	if !ok {
		return fr, false, nil
	}
	meta := head[headerSize:]
	if int(h.metaLen) > len(meta) {
		if meta, err = s.read(off+headerSize, int(h.metaLen)); err != nil {
			return fr, false, err
		}
	}
	fr = frame{frameHeader: h}
	fr.pieces = splitPieces(meta[:h.metaLen], off+headerSize+int64(h.metaLen))
	return fr, true, nil
}

// salvage finds the pieces of a frame that fills from..to and whose header is
// damaged: each has its length and CRC, and with their bodies they end at to.
func (s *scanner) salvage(from, to int64) ([]piece, error) {
	if to-from < headerSize+pieceSize || to-from > 2*maxFrame {
		return nil, nil
	}
	b := make([]byte, to-from-headerSize)
	if n, err := s.f.ReadAt(b, from+headerSize); n < len(b) {
		return nil, err
	}
	meta, bodies := 0, 0
	for len(b)-meta >= pieceSize && meta+bodies < len(b) {
		n := pieceSize + int(binary.LittleEndian.Uint32(b[meta:]))
		if n > len(b)-meta {
			return nil, nil
		}
		p := splitPieces(b[meta:meta+n], 0)
		if len(p) != 1 || !p[0].ok {
			return nil, nil
		}
		meta, bodies = meta+n, bodies+p[0].bodyLen
	}
	if meta == 0 || meta+bodies != len(b) {
		return nil, nil
	}
	return splitPieces(b[:meta], from+headerSize+int64(meta)), nil
}

// read gives the n bytes at off, or as many as there are.
func (s *scanner) read(off int64, n int) ([]byte, error) {
	n = int(max(0, min(int64(n), s.size-off)))
	if cap(s.buf) < n {
		s.buf = make([]byte, max(n, 64<<10))
	}
	m, err := s.f.ReadAt(s.buf[:n], off)
	if err == io.EOF {
		err = nil
	}
	return s.buf[:m], err
}

// resync looks for the next frame at or behind off; -1 when there is none.
func (s *scanner) resync(off int64) (int64, error) {
	var magic [4]byte
	binary.LittleEndian.PutUint32(magic[:], frameMagic)
	window := make([]byte, 1<<20)
	for off+headerSize <= s.size {
		n, err := s.f.ReadAt(window[:min(int64(len(window)), s.size-off)], off)
		if err != nil && err != io.EOF {
			return -1, err
		}
		if n < headerSize {
			return -1, nil
		}
		for at := 0; ; at++ {
			i := bytes.Index(window[at:n], magic[:])
			if i < 0 {
				break
			}
			at += i
			if n-at < headerSize {
				break // the next window begins before it
			}
			if _, ok := parseFrameHeader(window[at:n], s.nonce, off+int64(at), s.size); ok {
				return off + int64(at), nil
			}
		}
		off += int64(n - headerSize + 1)
	}
	return -1, nil
}
