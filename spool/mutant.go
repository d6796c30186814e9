//go:build mutant

package spool

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The kill harness (test/crash) proves itself on a daemon that is broken on
// purpose. This one, M3, answers before the write: what is appended to a segment
// stays in memory for a while, though its sync has returned.

func init() {
	if os.Getenv("MTAD_MUTANT") == "M3" {
		systemFS = &lateFS{FS: systemFS, open: map[string]*lateFile{}}
	}
}

// lateness is how long an acknowledged write is not on the disk.
const lateness = 30 * time.Millisecond

type lateFS struct {
	FS
	mu   sync.Mutex
	open map[string]*lateFile // by name: who opens a file to read it finds all of it
}

func (fs *lateFS) Open(name string, how OpenMode) (File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if late := fs.open[name]; late != nil && how == ReadOnly {
		late.Flush()
	}
	f, err := fs.FS.Open(name, how)
	if err != nil || how == ReadOnly || !strings.HasPrefix(filepath.Base(name), segmentPrefix) {
		return f, err
	}
	late := &lateFile{File: f}
	fs.open[name] = late
	return late, nil
}

type lateFile struct {
	File
	mu      sync.Mutex
	pending []lateWrite
	err     error // of a write that was made late; the next sync returns it
	closed  bool
}

type lateWrite struct {
	b   []byte
	off int64
}

func (f *lateFile) WriteAt(bufs [][]byte, off int64) (n int64, err error) {
	if off == 0 { // the head of a new file
		return f.File.WriteAt(bufs, off)
	}
	var b []byte
	for _, p := range bufs {
		b = append(b, p...)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.pending) == 0 {
		time.AfterFunc(lateness, f.Flush)
	}
	f.pending = append(f.pending, lateWrite{b, off})
	return int64(len(b)), nil
}

// Flush makes the writes that wait.
func (f *lateFile) Flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	for _, w := range f.pending {
		if _, err := f.File.WriteAt([][]byte{w.b}, w.off); err != nil && f.err == nil {
			f.err = err
		}
	}
	f.pending = nil
}

func (f *lateFile) Datasync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *lateFile) ReadAt(p []byte, off int64) (int, error) {
	f.Flush()
	return f.File.ReadAt(p, off)
}

func (f *lateFile) Truncate(size int64) error {
	f.Flush()
	return f.File.Truncate(size)
}

func (f *lateFile) Size() (int64, error) {
	f.Flush()
	return f.File.Size()
}

func (f *lateFile) Close() error {
	f.Flush()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return f.File.Close()
}
