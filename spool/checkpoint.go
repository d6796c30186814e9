package spool

import (
	"errors"
	"fmt"
)

// A checkpoint is the index, written while commits go on. It is named after the
// segment that was begun when it began: state is absolute, so reading it and
// then all segments from that one gives the truth, whatever changed meanwhile.
// Each frame is in it twice, so that one damaged place costs nothing.

const (
	checkpointFrame = 256 << 10
	checkpointSync  = 8 << 20 // synced so often, to leave the disk to the commits
	tempSuffix      = ".tmp"
)

// checkpointWriter collects records and writes them out in frames.
type checkpointWriter struct {
	s        *Spool
	log      segment
	synced   int64
	piece    []byte
	messages uint64
}

// checkpoint writes the index as it is while segment start is the active one,
// or a later one.
func (s *Spool) checkpoint(start uint32) error {
	name := s.path(numbered(checkpointPrefix, start))
	temp := name + tempSuffix
	_ = s.fs.Remove(temp)
	h := fileHeader{number: start, nonce: newNonce()}
	f, err := s.createLog(temp, &h)
	if err != nil {
		return err
	}
	w := &checkpointWriter{s: s, piece: newPiece(), log: segment{f: f, nonce: h.nonce, size: firstFrame}}
	err = w.writeAll()
	f.Close()
	if err == nil {
		err = s.fs.Rename(temp, name)
	}
	if err != nil {
		_ = s.fs.Remove(temp)
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return s.poisonBy(err)
	}
	s.keeper.checkpoint.Store(start)
	s.keeper.checkpointSize.Store(w.log.size)
	return nil
}

func (w *checkpointWriter) writeAll() error {
	for i := range w.s.index.shards {
		if err := w.writeShard(&w.s.index.shards[i]); err != nil {
			return err
		}
	}
	w.s.HostFacts(func(h HostFact) bool {
		w.piece = appendHost(w.piece, h)
		return true
	})
	w.piece = appendNextID(w.piece, w.s.ids.reserved.Load())
	w.piece = appendCount(w.piece, recEnd, w.messages)
	if err := w.flush(); err != nil {
		return err
	}
	return w.sync()
}

// writeShard holds the lock of the shard for a few dozen messages at a time.
func (w *checkpointWriter) writeShard(sh *shard) error {
	sh.mu.Lock()
	counters := make([]uint64, 0, len(sh.m))
	for c := range sh.m {
		counters = append(counters, c)
	}
	sh.mu.Unlock()
	for len(counters) > 0 {
		n := min(len(counters), 64)
		sh.mu.Lock()
		for _, c := range counters[:n] {
			if e := sh.m[c]; e != nil {
				w.piece = appendMessage(w.piece, e.id(c), e)
				w.messages++
				if n := e.warned(); n > 0 {
					w.piece = appendWarned(w.piece, e.id(c), n)
				}
				for rcpt, to := range sh.routes[c] {
					w.piece = appendReroute(w.piece, e.id(c), rcpt, to.Value())
				}
			}
		}
		sh.mu.Unlock()
		counters = counters[n:]
		if len(w.piece) >= checkpointFrame {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes the piece as a frame, and that frame again.
func (w *checkpointWriter) flush() error {
	sealPiece(w.piece, 0)
	for _, flags := range []uint32{0, frameCopy} {
		bufs, h := w.log.frame(flags, [][]byte{w.piece}, nil)
		n, err := w.log.f.WriteAt(bufs, w.log.size)
		w.s.stats.written.Add(uint64(n))
		if err != nil {
			return full(err)
		}
		w.log.size = h.end()
	}
	w.piece = w.piece[:pieceSize]
	if w.log.size-w.synced < checkpointSync {
		return nil
	}
	w.synced = w.log.size
	return w.sync()
}

func (w *checkpointWriter) sync() error {
	if err := w.log.f.Datasync(); err != nil {
		return w.s.poisonBy(err)
	}
	return nil
}

var errCheckpoint = errors.New("no sound checkpoint")

// loadCheckpoint reads a checkpoint into the index. damage says what is lost of
// it, if anything; errCheckpoint that it is of no use.
func (s *Spool) loadCheckpoint(number uint32, size int64) (damage string, err error) {
	f, err := s.fs.Open(s.path(numbered(checkpointPrefix, number)), ReadOnly)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h, ok := readFileHeader(f, size)
	if !ok {
		return "", errCheckpoint
	}
	in := checkpointReader{s: s, scan: scanner{f: f, size: size, nonce: h.nonce}}
	if err := in.readAll(); err != nil {
		return "", err
	}
	switch {
	case in.ended && in.messages == in.want:
		return "", nil
	case in.ended:
		return fmt.Sprintf("%d of its %d messages are lost", in.want-in.messages, in.want), nil
	}
	return fmt.Sprintf("its end is lost; %d messages were read", in.messages), nil
}

type checkpointReader struct {
	s        *Spool
	scan     scanner
	again    bool // the frame before was bad: its copy is wanted
	ended    bool
	messages uint64
	want     uint64
}

func (in *checkpointReader) readAll() error {
	in.again = true
	for off := int64(firstFrame); off < in.scan.size; {
		fr, ok, err := in.scan.frame(off)
		if err != nil {
			return err
		}
		if !ok {
			in.again = true
			if off, err = in.scan.resync(off + 1); err != nil || off < 0 {
				return err
			}
			continue
		}
		off = fr.end()
		if fr.flags&frameCopy != 0 && !in.again {
			continue
		}
		in.again = !fr.whole()
		if !in.again {
			in.read(fr.pieces[0].records)
		}
	}
	return nil
}

func (in *checkpointReader) read(records []byte) {
	for len(records) > 0 {
		typ, value, rest, err := nextRecord(records)
		if err != nil {
			return
		}
		records = rest
		r, err := decodeRecord(typ, value)
		if err != nil {
			continue
		}
		switch typ {
		case recEnd:
			in.ended, in.want = true, r.n
		case recMessage:
			in.messages++
		}
		in.s.index.applyOne(&r)
	}
}
