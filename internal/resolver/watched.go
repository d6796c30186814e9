package resolver

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// recheck is how long a file of the system is taken to be unchanged.
const recheck = 5 * time.Second

// watched is a parsed file that is parsed again when it changes. A file that is
// not there parses as an empty one; one that cannot be read leaves the former
// value standing.
type watched[T any] struct {
	path  string
	parse func(io.Reader) (T, error)

	mu      sync.Mutex
	looked  time.Time // when the file was last looked at
	changed time.Time // its modification time then
	size    int64
	value   T
}

// watch makes a watched file; it is first looked at when it is asked for.
func watch[T any](path string, parse func(io.Reader) (T, error)) *watched[T] {
	w := &watched[T]{path: path, parse: parse}
	w.forget()
	return w
}

// forget takes the file for an empty one.
func (w *watched[T]) forget() {
	w.value, _ = w.parse(strings.NewReader(""))
	w.changed, w.size = time.Time{}, -1
}

// get returns the value, after at most one look at the file every recheck.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); w.looked.IsZero() || now.Sub(w.looked) >= recheck {
		w.refresh()
		w.looked = now
	}
	return w.value
}

// refresh parses the file if it is new or has changed.
func (w *watched[T]) refresh() {
	info, err := os.Stat(w.path)
	if os.IsNotExist(err) {
		w.forget()
	}
	if err != nil {
		return
	}
	if info.ModTime().Equal(w.changed) && info.Size() == w.size {
		return
	}
	f, err := os.Open(w.path)
	if err != nil {
		return
	}
	defer f.Close()
	if value, err := w.parse(f); err == nil {
		w.value, w.changed, w.size = value, info.ModTime(), info.Size()
	}
}
