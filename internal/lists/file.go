package lists

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// watched is what was made of a file, made anew when the file changes: looked
// at no more than once a second, and then by one of those who ask.
type watched[T any] struct {
	path    string
	parse   func(lines []string) (T, error)
	checked atomic.Int64 // Unix nanoseconds of the last look
	now     atomic.Pointer[reading[T]]
}

// reading is what a file was when it was read. Immutable.
type reading[T any] struct {
	stamp stamp
	value T
	err   error // not readable, or a line is faulty: nothing is known of what the list says
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
)

// watch reads the file for the first time; a fault is then an error.
func watch[T any](path string, parse func([]string) (T, error)) (*watched[T], error) {
	w := &watched[T]{path: path, parse: parse}
	w.checked.Store(time.Now().UnixNano())
	r := w.read()
	w.now.Store(r)
	return w, r.err
}

// get returns what the file says now, or why that cannot be had.
func (w *watched[T]) get() (T, error) {
	at, now := w.checked.Load(), time.Now().UnixNano()
	if due := now-at >= int64(lookEvery) || now < at; due && w.checked.CompareAndSwap(at, now) {
		w.look()
	}
	r := w.now.Load()
	return r.value, r.err
}

func (w *watched[T]) look() {
	old := w.now.Load()
	if s, err := stampOf(w.path); err != nil || s != old.stamp || old.err != nil {
		w.now.Store(w.read())
	}
}

func (w *watched[T]) read() *reading[T] {
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

func readLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s has more than %d MB", path, maxFile>>20)
	}
	var lines []string
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, 64<<10)
	for scan.Scan() {
		lines = append(lines, scan.Text())
	}
	if scan.Err() != nil {
		return nil, fmt.Errorf("%s: line %d is longer than 64 KB", path, len(lines)+1)
	}
	return lines, nil
}

// file is an item that names a file: its lines stand in the list.
type file[S any] struct{ *watched[[]entry[S]] }

func openFile[S any](path string, parse func([]string) ([]entry[S], error)) (matcher[S], error) {
	w, err := watch(path, parse)
	return file[S]{w}, err
}

func (f file[S]) entries() ([]entry[S], error) { return f.get() }

func (f file[S]) match(S) (Answer, string) {
	panic("BUG: the lines of a list file are matched one by one")
}

// netLookup is net-lsearch;/file or net24-lsearch;/file: the address, or its
// network of that size, is a key of the file.
type netLookup struct {
	bits int // -1: the whole address
	keys *watched[map[netip.Prefix]struct{}]
}

func parseNetLookup(item, dir string) (matcher[Host], error) {
	kind, path, _ := strings.Cut(item, ";")
	mask, search, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(kind), "net"), "-")
	m := netLookup{bits: -1}
	if mask != "" {
		n, err := strconv.Atoi(mask)
		if err != nil || n < 0 || n > 128 {
			return nil, errors.New("a look-up by network is written net24-lsearch;/file, with a prefix length of 0 to 128")
		}
		m.bits = n
	}
	if search != "lsearch" && search != "iplsearch" {
		return nil, fmt.Errorf("look-ups in host lists are net-lsearch;/file and net24-lsearch;/file, not %q", kind)
	}
	if path = strings.TrimSpace(path); path == "" {
		return nil, errors.New("the name of the file is missing behind the ;")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	var err error
	m.keys, err = watch(path, parseNetKeys)
	return m, err
}

func (m netLookup) match(h Host) (Answer, string) {
	keys, err := m.keys.get()
	if err != nil {
		return Unknown, ""
	}
	bits := m.bits
	if bits < 0 || bits > h.Addr.BitLen() {
		bits = h.Addr.BitLen()
	}
	p, err := h.Addr.Prefix(bits)
	if err != nil {
		return No, ""
	}
	_, ok := keys[p]
	return answer(ok), ""
}

// parseNetKeys reads the keys of a linearly searched file; what follows them is
// not looked at. A line that begins with white space goes on with the one before.
func parseNetKeys(lines []string) (map[netip.Prefix]struct{}, error) {
	keys := make(map[netip.Prefix]struct{}, len(lines))
	for i, line := range lines {
		if line == "" || line[0] == ' ' || line[0] == '\t' || line[0] == '#' {
			continue
		}
		p, err := parseNetKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		keys[p] = struct{}{}
	}
	return keys, nil
}

// parseNetKey reads 192.0.2.1, 192.0.2.0/24, and IPv6 either in quotes or with
// dots for colons in eight groups, since a colon ends a key.
func parseNetKey(line string) (netip.Prefix, error) {
	var key string
	if line[0] == '"' {
		key, _, _ = strings.Cut(line[1:], `"`)
	} else if end := strings.IndexAny(line, ": \t"); end >= 0 {
		key = line[:end]
	} else {
		key = line
	}
	if strings.Count(key, ".") == 7 {
		key = strings.ReplaceAll(key, ".", ":")
	}
	n, err := parseNetwork(key)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: %w", key, err)
	}
	if n == nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network (IPv6 stands in quotes)", key)
	}
	return n.all[0].prefix, nil
}
