package mainlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// sink is one log file: a bounded buffer and a goroutine that writes what is in
// it, all with one write. append never waits for the disk: while that is full
// or hangs the buffer fills, then lines are dropped and counted, and the count
// is the first line when it works again.
type sink struct {
	path  string // "" is standard error: never reopened, never closed
	limit int    // of the buffer, in bytes
	note  func(b []byte, dropped uint64) []byte

	wake  chan struct{} // one token: something is there to do
	hurry chan struct{} // one token: do it now
	done  chan struct{} // closed when the writer has ended

	mu      sync.Mutex // guards what follows
	pending []byte     // whole lines
	dropped uint64     // since the last note
	next    *os.File   // takes the place of file, after Reopen
	waiting []chan struct{}
	closed  bool

	// Owned by the writer goroutine.
	file  *os.File
	spare []byte
}

// How long the writer waits for more lines before it writes, and before it tries again after an error.
const (
	gatherTime = 10 * time.Millisecond
	retryTime  = time.Second
)

var droppedTotal = metrics.NewCounter("mtad_log_lines_dropped_total")

func newSink(f *os.File, path string, limit int, note func([]byte, uint64) []byte) *sink {
	return &sink{
		path: path, limit: limit, note: note, file: f,
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// openFile opens a log file for appending, making it and its folder where they
// are missing. A symbolic link, a FIFO or a device in its place is refused.
func openFile(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("cannot make the log folder: %w", err)
	}
	// O_NONBLOCK: opening a FIFO that nobody reads must fail, not wait.
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := os.OpenFile(path, flags, 0o640)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("cannot open the log file %s: it is a symbolic link", path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the log file: %w", err)
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("cannot use %s as log file: it is not a regular file", path)
	}
	return f, nil
}

// append takes one line, or drops it. It copies b.
func (s *sink) append(b []byte) {
	s.mu.Lock()
	if s.closed || len(s.pending)+len(b) > s.limit {
		s.dropped++
		s.mu.Unlock()
		droppedTotal.Inc()
		return
	}
	first := len(s.pending) == 0
	s.pending = append(s.pending, b...)
	s.mu.Unlock()
	if first {
		poke(s.wake)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write is the writer goroutine.
func (s *sink) write() {
	defer close(s.done)
	gather := time.NewTimer(time.Hour)
	defer gather.Stop()
	for closed := false; !closed; {
		<-s.wake
		gather.Reset(gatherTime)
		select {
		case <-gather.C:
		case <-s.hurry:
		}
		closed = s.pass()
	}
	s.closeFile()
}

// pass writes what is there, and then tells who waits for it.
func (s *sink) pass() (closed bool) {
	data, waiting, closed := s.take()
	ok := s.writeAll(data)
	s.spare = data[:0]
	if ok {
		for _, w := range waiting {
			close(w)
		}
	}
	return closed
}

// take empties the buffer.
func (s *sink) take() (data []byte, waiting []chan struct{}, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swapFile()
	data, s.pending = s.pending, s.spare
	if s.dropped > 0 {
		data = s.note(data, s.dropped)
		s.dropped = 0
	}
	waiting, s.waiting = s.waiting, nil
	return data, waiting, s.closed
}

// swapFile takes the file that Reopen opened into use. Called with mu held.
func (s *sink) swapFile() bool {
	if s.next == nil {
		return false
	}
	s.file.Close()
	s.file, s.next = s.next, nil
	return true
}

// writeAll writes data, again and again until it is written or the sink is
// closed. A line that was cut by a full disk is ended in the same file, or
// begun anew in the one that took its place.
func (s *sink) writeAll(data []byte) (ok bool) {
	for off := 0; off < len(data); {
		n, err := s.file.Write(data[off:])
		off += n
		if err == nil {
			continue
		}
		s.mu.Lock()
		swapped, closed := s.swapFile(), s.closed
		s.mu.Unlock()
		switch {
		case swapped:
			off = 1 + bytes.LastIndexByte(data[:off], '\n')
			continue
		case closed:
			return false
		}
		select {
		case <-time.After(retryTime):
		case <-s.hurry: // Reopen, Flush or Close
		}
	}
	return true
}

// reopen opens the file under its name anew; the writer goes over to it before its next write.
func (s *sink) reopen() error {
	if s.path == "" {
		return nil
	}
	f, err := openFile(s.path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return f.Close()
	}
	if s.next != nil {
		s.next.Close()
	}
	s.next = f
	poke(s.wake)
	poke(s.hurry)
	return nil
}

var errSlow = errors.New("cannot write the log in time: lines are lost")

// flush waits until what is in the buffer is written.
func (s *sink) flush(limit <-chan time.Time) error {
	written := make(chan struct{})
	s.mu.Lock()
	s.waiting = append(s.waiting, written)
	s.mu.Unlock()
	poke(s.wake)
	poke(s.hurry)
	select {
	case <-written:
		return nil
	case <-s.done:
		return nil
	case <-limit:
		return errSlow
	}
}

// close writes what is in the buffer and ends the writer.
func (s *sink) close(limit <-chan time.Time) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	poke(s.wake)
	poke(s.hurry)
	select {
	case <-s.done:
		return nil
	case <-limit:
		return errSlow
	}
}

// closeFile is for the writer's end, and for a sink whose writer never began.
func (s *sink) closeFile() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil {
		s.next.Close()
	}
	if s.path != "" {
		s.file.Close()
	}
}
