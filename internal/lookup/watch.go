package lookup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Watched is what was made of a file, made anew when the file changes: looked
// at no more than once a second, and then by one of those who ask. It is safe
// for concurrent use.
type Watched[T any] struct {
	path    string
	parse   func(lines []string) (T, error)
	checked atomic.Int64 // Unix nanoseconds of the last look
	now     atomic.Pointer[reading[T]]
}

// reading is what a file was when it was read. Immutable.
type reading[T any] struct {
	stamp stamp
	value T
	err   error // not readable, or a line is faulty: nothing is known of what the file says
}

// stamp changes when the file does.
type stamp struct {
	mtime time.Time
	size  int64
	inode uint64
}

const (
	lookEvery = time.Second
	maxFile   = 64 << 20 // bytes
	maxLine   = 64 << 10 // bytes
)

// Watch reads the file for the first time. The error is that of this reading;
// the Watched can be used all the same, and tries again.
func Watch[T any](path string, parse func(lines []string) (T, error)) (*Watched[T], error) {
	w := &Watched[T]{path: path, parse: parse}
	w.checked.Store(time.Now().UnixNano())
	r := w.read()
	w.now.Store(r)
	return w, r.err
}

// Get returns what the file says now, or why that cannot be had.
func (w *Watched[T]) Get() (T, error) {
	at, now := w.checked.Load(), time.Now().UnixNano()
	if due := now-at >= int64(lookEvery) || now < at; due && w.checked.CompareAndSwap(at, now) {
		w.Look()
	}
	r := w.now.Load()
	return r.value, r.err
}

// Look looks at once whether the file has changed.
func (w *Watched[T]) Look() {
	old := w.now.Load()
	if s, err := stampOf(w.path); err != nil || s != old.stamp || old.err != nil {
		w.now.Store(w.read())
	}
}

func (w *Watched[T]) read() *reading[T] {
	s, err := stampOf(w.path) // before the content: a change in between is seen at the next look
	if err != nil {
		return &reading[T]{err: err}
	}
	lines, err := readLines(w.path)
	if err != nil {
		return &reading[T]{err: err}
	}
	v, err := w.parse(lines)
	if err != nil {
		err = fmt.Errorf("%s: %w", w.path, err)
	}
	return &reading[T]{s, v, err}
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, fileError(path, err)
	}
	if !info.Mode().IsRegular() {
		return stamp{}, fmt.Errorf("%s is not a file", path)
	}
	s := stamp{mtime: info.ModTime(), size: info.Size()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s, nil
}

func fileError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s", path)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("cannot read %s: %w", path, err)
}

// ReadFile returns a regular file of at most max bytes.
func ReadFile(path string, max int) ([]byte, error) {
	if _, err := stampOf(path); err != nil { // opening a pipe would wait
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(max)+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if len(data) > max {
		return nil, fmt.Errorf("%s has more than %d MB", path, max>>20)
	}
	return data, nil
}

func readLines(path string) ([]string, error) {
	data, err := ReadFile(path, maxFile)
	if err != nil {
		return nil, err
	}
	var lines []string
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, maxLine)
	for scan.Scan() {
		lines = append(lines, scan.Text())
	}
	if scan.Err() != nil {
		return nil, fmt.Errorf("%s: line %d is longer than 64 KB", path, len(lines)+1)
	}
	return lines, nil
}
