package spool

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// osFS is the operating system's file system.
type osFS struct{}

// systemFS is the default of Options.FS: a variable for mutant.go.
var systemFS FS = osFS{}

// maxIovec is IOV_MAX of Linux.
const maxIovec = 1024

func (osFS) Open(name string, how OpenMode) (File, error) {
	flags := unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK // NONBLOCK: a FIFO in our place must not hold us
	switch how {
	case ReadWrite:
		flags |= unix.O_RDWR
	case Create:
		flags |= unix.O_RDWR | unix.O_CREAT | unix.O_EXCL
	}
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(name, flags, 0o600) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, &os.PathError{Op: "open", Path: name, Err: errors.Join(err, errors.New("not a regular file"))}
	}
	return &osFile{fd: fd, name: name}, nil
}

func (osFS) Mkdir(name string) error {
	if err := os.Mkdir(name, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func (osFS) Stat(name string) (Entry, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return Entry{}, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	return entryOf(name, &st), nil
}

func (osFS) ReadDir(name string) ([]Entry, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(names))
	for _, n := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(int(d.Fd()), n, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			continue // gone since
		}
		entries = append(entries, entryOf(n, &st))
	}
	return entries, nil
}

func entryOf(name string, st *unix.Stat_t) Entry {
	return Entry{
		Name: name, Size: st.Size, Mode: uint32(st.Mode) & 0o7777, UID: st.Uid,
		Dir:     st.Mode&unix.S_IFMT == unix.S_IFDIR,
		Regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
	}
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(name string) error {
	if err := unix.Unlink(name); err != nil {
		return &os.PathError{Op: "unlink", Path: name, Err: err}
	}
	return nil
}

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) Free(name string) (bytes, inodes int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(name, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: name, Err: err}
	}
	inodes = int64(st.Ffree)
	if st.Files == 0 { // btrfs and others count none
		inodes = 1<<63 - 1
	}
	return int64(st.Bavail) * st.Frsize, inodes, nil
}

func (osFS) Lock(name string) (io.Closer, error) {
	flags := unix.O_RDWR | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Open(name, flags, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, &os.PathError{Op: "flock", Path: name, Err: err}
	}
	return &osFile{fd: fd, name: name}, nil
}

// osFile is a bare descriptor: os.File would add a lock and a poller look-up to
// each of the two system calls that a commit is made of.
type osFile struct {
	fd   int
	name string
}

func (f *osFile) fail(op string, err error) error {
	return &os.PathError{Op: op, Path: f.name, Err: err}
}

func (f *osFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := ignoringEINTR(func() (int, error) { return unix.Pread(f.fd, p[n:], off+int64(n)) })
		if err != nil {
			return n, f.fail("read", err)
		}
		if m == 0 {
			return n, io.EOF
		}
		n += m
	}
	return n, nil
}

func (f *osFile) WriteAt(bufs [][]byte, off int64) (n int64, err error) {
	rest := append(make([][]byte, 0, len(bufs)), bufs...)
	for {
		for len(rest) > 0 && len(rest[0]) == 0 {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return n, nil
		}
		m, err := ignoringEINTR(func() (int, error) {
			return unix.Pwritev(f.fd, rest[:min(len(rest), maxIovec)], off+n)
		})
		if err == nil && m == 0 {
			err = unix.ENOSPC
		}
		if err != nil {
			return n, f.fail("write", err)
		}
		n += int64(m)
		rest = consume(rest, m)
	}
}

// consume drops the first n bytes of bufs.
func consume(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}

func (f *osFile) Truncate(size int64) error {
	if _, err := ignoringEINTR(func() (int, error) { return 0, unix.Ftruncate(f.fd, size) }); err != nil {
		return f.fail("truncate", err)
	}
	return nil
}

func (f *osFile) StartWriting(off, n int64) {
	_ = unix.SyncFileRange(f.fd, off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// Datasync tries once: what a second fsync says after a failed one means nothing.
func (f *osFile) Datasync() error {
	if err := unix.Fdatasync(f.fd); err != nil {
		return f.fail("fdatasync", err)
	}
	return nil
}

func (f *osFile) Allocate(size int64) error {
	_, err := ignoringEINTR(func() (int, error) { return 0, unix.Fallocate(f.fd, 0, 0, size) })
	if err != nil {
		return f.fail("fallocate", err)
	}
	return nil
}

func (f *osFile) Size() (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return 0, f.fail("fstat", err)
	}
	return st.Size, nil
}

func (f *osFile) Close() error {
	if f.fd < 0 {
		return nil
	}
	fd := f.fd
	f.fd = -1
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("close %s: %w", f.name, err)
	}
	return nil
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
