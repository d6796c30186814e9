package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	lookEvery = time.Second
	grace     = 10 * time.Second // that a faulty new version leaves the old one in use
	maxFile   = 16 << 20         // bytes
)

// watched is what was made of one file or several, made anew when one changes:
// looked at no more than once a second, and then by one of those who ask.
type watched[T any] struct {
	// Set at birth.
	version func() (string, error) // another string when a file has changed
	read    func() (T, error)

	checked atomic.Int64 // Unix nanoseconds of the last look
	now     atomic.Pointer[reading[T]]

	looking sync.Mutex
	failing time.Time // under looking: since when what is there cannot be used; zero: it can
}

// reading is what the files were when they were read. Immutable: another
// pointer is another version.
type reading[T any] struct {
	version string
	value   T
	err     error
}

func watch[T any](version func() (string, error), read func() (T, error)) *watched[T] {
	w := &watched[T]{version: version, read: read}
	w.checked.Store(time.Now().UnixNano())
	w.now.Store(w.readNow())
	return w
}

// get returns what the files say at that time.
func (w *watched[T]) get(now time.Time) *reading[T] {
	at, n := w.checked.Load(), now.UnixNano()
	if due := n-at >= int64(lookEvery) || n < at; due && w.checked.CompareAndSwap(at, n) {
		w.look(now)
	}
	return w.now.Load()
}

func (w *watched[T]) look(now time.Time) {
	if !w.looking.TryLock() {
		return // the last look is still under way
	}
	defer w.looking.Unlock()
	old := w.now.Load()
	if v, err := w.version(); err == nil && old.err == nil && w.failing.IsZero() && v == old.version {
		return
	}
	r := w.readNow()
	if r.err == nil {
		w.failing = time.Time{}
	} else if w.failing.IsZero() {
		w.failing = now
	}
	if r.err != nil && old.err == nil && now.Sub(w.failing) < grace {
		return
	}
	w.now.Store(r)
}

func (w *watched[T]) readNow() *reading[T] {
	v, err := w.version() // before the content: a change in between is seen at the next look
	if err != nil {
		return &reading[T]{err: err}
	}
	value, err := w.read()
	return &reading[T]{v, value, err}
}

// stampsOf is the version of some files.
func stampsOf(paths ...string) (string, error) {
	var b []byte
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return "", fileError(p, err)
		}
		b = appendStamp(b, info)
	}
	return string(b), nil
}

func appendStamp(b []byte, info fs.FileInfo) []byte {
	b = strconv.AppendInt(b, info.ModTime().UnixNano(), 36)
	b = strconv.AppendInt(append(b, ' '), info.Size(), 36)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		b = strconv.AppendUint(append(b, ' '), st.Ino, 36)
		b = strconv.AppendInt(append(b, ' '), st.Ctim.Nano(), 36)
	}
	return append(b, '\n')
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
