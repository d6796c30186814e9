package spooltest

import (
	"errors"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// file is an open file.
type file struct {
	d    *Disk
	n    *node
	name string
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(bufs [][]byte, off int64) (int64, error) {
	data := slices.Concat(bufs...)
	defer f.d.mu.Unlock()
	err := f.d.step("write", f.name)
	if errors.Is(err, ErrPower) {
		// Power fails in the middle of it: any part may have come to the disk.
		if len(data) > 0 && f.d.dead == 1 {
			f.n.writes = append(f.n.writes, write{off, data})
		}
		return 0, err
	}
	if errors.Is(err, unix.EIO) {
		f.put(write{off, data}) // all of it may be there all the same
		return 0, err
	}
	if err != nil {
		data = data[:len(data)/2]
	}
	if room := f.room(off, int64(len(data))); room < int64(len(data)) {
		data, err = data[:max(room, 0)], &fs.PathError{Op: "write", Path: f.name, Err: unix.ENOSPC}
	}
	if len(data) > 0 {
		f.put(write{off, data})
	}
	return int64(len(data)), err
}

// room is how many of n bytes at off fit the disk.
func (f *file) room(off, n int64) int64 {
	if f.d.Capacity == 0 {
		return n
	}
	free := f.d.Capacity - f.d.root.used()
	return min(n, max(0, int64(len(f.n.data))-off)+free)
}

func (f *file) put(w write) {
	f.n.data = w.apply(f.n.data, w.data != nil)
	f.n.writes = append(f.n.writes, w)
}

func (n *node) sync() {
	for _, w := range n.writes {
		n.safe = w.apply(n.safe, w.data != nil)
	}
	n.writes = nil
}

func (f *file) Truncate(size int64) error {
	defer f.d.mu.Unlock()
	if err := f.d.step("truncate", f.name); err != nil {
		return err
	}
	f.put(write{off: size})
	return nil
}

// StartWriting is no step of the crash tests: any write may be on the disk before
// its sync as it is.
func (f *file) StartWriting(off, n int64) {}

func (f *file) Datasync() error {
	defer f.d.mu.Unlock()
	if err := f.d.step("datasync", f.name); err != nil {
		if !errors.Is(err, ErrPower) {
			f.n.doubtful = append(f.n.doubtful, f.n.writes...)
			f.n.writes = nil
		}
		return err
	}
	sync := f.n.sync
	switch {
	case f.d.NoDatasync:
	case f.d.LateSync:
		f.d.late = sync
	default:
		sync()
	}
	return nil
}

func (f *file) Allocate(size int64) error {
	defer f.d.mu.Unlock()
	if err := f.d.step("allocate", f.name); err != nil {
		return err
	}
	if f.room(0, size) < size {
		return &fs.PathError{Op: "allocate", Path: f.name, Err: unix.ENOSPC}
	}
	f.n.blocks = size
	return nil
}

func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.n.size(), nil
}

func (f *file) Close() error { return nil }
