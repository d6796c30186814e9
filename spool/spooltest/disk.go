// Package spooltest is a disk for tests: a file system in memory that knows
// what is durable and what is not, loses power at a chosen operation, and fails
// where it is told to. What was written and not synced may, after the cut, be
// there, be gone, or be there in parts, out of order; a name whose folder was
// not synced may be there or not.
package spooltest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"mtad/spool"
)

// ErrPower is what every operation answers once power has failed.
var ErrPower = errors.New("power failed")

// Op is one operation on the disk, as Disk.Fault sees it.
type Op struct {
	N    int    // counted from 1
	Kind string // open create mkdir write truncate datasync allocate rename remove syncdir
	Name string
}

// Disk implements spool.FS. Its fields are set before use, or under no load.
type Disk struct {
	Fault      func(Op) error // asked before each operation; an error makes it fail. A write that fails is half done; one that fails with EIO wholly, and does not say so
	StopAt     int            // power fails before this operation, 0 for never
	Capacity   int64          // bytes of all files, 0 for no limit
	NoDatasync bool           // Datasync lies
	NoSyncDir  bool           // SyncDir lies
	LateSync   bool           // Datasync answers at once and is done before the next operation

	mu    sync.Mutex
	ops   int
	root  *node
	locks map[string]bool
	late  func()
	dead  int // operations that came too late
}

// Change changes the fields of a disk that is in use.
func (d *Disk) Change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// node is a file or a folder, as it is and as it would be after a cut that
// loses all that may be lost.
type node struct {
	data, safe []byte
	writes     []write // since the last sync
	blocks     int64   // allocated, and not written yet
	doubtful   []write // whose sync failed: a later one does not make up for it, as on Linux

	children, safeChildren map[string]*node // nil for a file
	changes                []change
}

// write is data at off, or, without data, a truncation to off.
type write struct {
	off  int64
	data []byte
}

// change is a name that came (node) or went, or both at once for a rename.
type change struct {
	gone, name string
	node       *node
}

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{root: newFolder(), locks: map[string]bool{}}
}

func newFolder() *node {
	return &node{children: map[string]*node{}, safeChildren: map[string]*node{}}
}

// Ops is the number of operations so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// Cut fails the power now.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.StopAt = max(d.ops, 1)
}

// Keep decides what of the unsynced survives a cut.
type Keep func() Fate

// Fate of one unsynced write or name.
type Fate int

// A name that is Torn is kept.
const (
	Gone Fate = iota
	Kept
	Torn
)

// KeepNothing is the cut that loses most, KeepAll that of a killed process.
func KeepNothing() Fate { return Gone }

// KeepAll keeps all.
func KeepAll() Fate { return Kept }

// Survivor returns a disk as it may be found after a cut. It can be asked for
// many of them; d itself is not changed.
func (d *Disk) Survivor(keep Keep, r *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := NewDisk()
	after.root = d.root.survivor(keep, r, map[*node]*node{})
	return after
}

func (n *node) survivor(keep Keep, r *rand.Rand, seen map[*node]*node) *node {
	if c := seen[n]; c != nil {
		return c
	}
	c := &node{blocks: n.blocks}
	seen[n] = c
	if n.children == nil {
		c.data = bytes.Clone(n.safe)
		for _, w := range slices.Concat(n.doubtful, n.writes) {
			c.data = w.survive(c.data, keep(), r)
		}
		c.safe = bytes.Clone(c.data)
		return c
	}
	c.children, c.safeChildren = map[string]*node{}, map[string]*node{}
	for name, child := range n.safeChildren {
		c.children[name] = child
	}
	for _, ch := range n.changes {
		if keep() != Gone {
			ch.apply(c.children)
		}
	}
	for name, child := range c.children {
		s := child.survivor(keep, r, seen)
		c.children[name], c.safeChildren[name] = s, s
	}
	return c
}

func (w write) survive(data []byte, fate Fate, r *rand.Rand) []byte {
	switch {
	case fate == Gone:
		return data
	case fate == Torn && len(w.data) > 0:
		from := r.IntN(len(w.data))
		to := from + r.IntN(len(w.data)-from+1)
		switch r.IntN(3) {
		case 0: // the front came to the disk
			return w.part(0, to).apply(data, true)
		case 1: // the middle did
			return w.part(from, to).apply(data, true)
		default: // all but the middle did
			return w.part(to, len(w.data)).apply(w.part(0, from).apply(data, true), true)
		}
	}
	return w.apply(data, w.data != nil)
}

func (w write) part(from, to int) write { return write{w.off + int64(from), w.data[from:to:to]} }

func (w write) apply(data []byte, isWrite bool) []byte {
	if !isWrite {
		return resize(data, w.off)
	}
	if len(w.data) == 0 {
		return data
	}
	if end := w.off + int64(len(w.data)); end > int64(len(data)) {
		data = resize(data, end)
	}
	copy(data[w.off:], w.data)
	return data
}

func resize(data []byte, n int64) []byte {
	if n <= int64(len(data)) {
		return data[:n:n]
	}
	return append(data, make([]byte, n-int64(len(data)))...)
}

func (c change) apply(children map[string]*node) {
	if c.gone != "" {
		delete(children, c.gone)
	}
	if c.node != nil {
		children[c.name] = c.node
	}
}

func (n *node) change(c change) {
	c.apply(n.children)
	n.changes = append(n.changes, c)
}

// step begins an operation; the lock is held until the caller gives it back.
func (d *Disk) step(kind, name string) error {
	d.mu.Lock()
	if d.StopAt > 0 && d.ops+1 >= d.StopAt {
		d.dead++
		return ErrPower
	}
	if d.late != nil {
		d.late()
		d.late = nil
	}
	d.ops++
	if d.Fault != nil {
		if err := d.Fault(Op{d.ops, kind, name}); err != nil {
			return &fs.PathError{Op: kind, Path: name, Err: err}
		}
	}
	return nil
}

// Files gives the size of every file, by its path.
func (d *Disk) Files() map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	sizes := map[string]int64{}
	d.root.list("", sizes)
	return sizes
}

func (n *node) list(path string, sizes map[string]int64) {
	if n.children == nil {
		sizes[path] = n.size()
	}
	for name, c := range n.children {
		c.list(path+"/"+name, sizes)
	}
}

// Flip changes bits of one byte of a file, as rot does.
func (d *Disk) Flip(name string, off int64, bits byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	n.data[off] ^= bits
	n.safe = bytes.Clone(n.data)
}

// find returns the node of a path, nil if there is none.
func (d *Disk) find(name string) *node {
	n := d.root
	for rest := filepath.ToSlash(filepath.Clean(name)); rest != "" && n != nil && n.children != nil; {
		var part string
		part, rest, _ = cut(rest)
		if part != "" && part != "." {
			n = n.children[part]
		}
	}
	return n
}

func cut(path string) (first, rest string, more bool) {
	for i := range path {
		if path[i] == '/' {
			return path[:i], path[i+1:], true
		}
	}
	return path, "", false
}

func (d *Disk) parent(name string) (*node, string) {
	return d.find(filepath.Dir(name)), filepath.Base(name)
}

func notThere(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Open is spool.FS's.
func (d *Disk) Open(name string, how spool.OpenMode) (spool.File, error) {
	kind := "open"
	if how == spool.Create {
		kind = "create"
	}
	defer d.mu.Unlock()
	if err := d.step(kind, name); err != nil {
		return nil, err
	}
	n := d.find(name)
	if how == spool.Create {
		dir, base := d.parent(name)
		if dir == nil {
			return nil, notThere("create", name)
		}
		if n != nil {
			return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
		}
		n = &node{}
		dir.change(change{name: base, node: n})
	}
	if n == nil || n.children != nil {
		return nil, notThere("open", name)
	}
	return &file{d, n, name}, nil
}

// Mkdir is spool.FS's.
func (d *Disk) Mkdir(name string) error {
	defer d.mu.Unlock()
	if err := d.step("mkdir", name); err != nil {
		return err
	}
	dir, base := d.parent(name)
	if dir == nil {
		return notThere("mkdir", name)
	}
	if dir.children[base] == nil {
		dir.change(change{name: base, node: newFolder()})
	}
	return nil
}

// Stat is spool.FS's; it is not counted.
func (d *Disk) Stat(name string) (spool.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	if n == nil {
		return spool.Entry{}, notThere("stat", name)
	}
	return n.entry(filepath.Base(name)), nil
}

func (n *node) entry(name string) spool.Entry {
	return spool.Entry{
		Name: name, Size: n.size(), Mode: 0o700, UID: uint32(os.Geteuid()),
		Dir: n.children != nil, Regular: n.children == nil,
	}
}

// ReadDir is spool.FS's; it is not counted.
func (d *Disk) ReadDir(name string) (entries []spool.Entry, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	if n == nil || n.children == nil {
		return nil, notThere("readdir", name)
	}
	for child, c := range n.children {
		entries = append(entries, c.entry(child))
	}
	slices.SortFunc(entries, func(a, b spool.Entry) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return entries, nil
}

// Rename is spool.FS's; both names are in one folder, or the change is two.
func (d *Disk) Rename(from, to string) error {
	defer d.mu.Unlock()
	if err := d.step("rename", from); err != nil {
		return err
	}
	n := d.find(from)
	src, oldName := d.parent(from)
	dst, newName := d.parent(to)
	if n == nil || dst == nil {
		return notThere("rename", from)
	}
	if src == dst {
		src.change(change{gone: oldName, name: newName, node: n})
		return nil
	}
	src.change(change{gone: oldName})
	dst.change(change{name: newName, node: n})
	return nil
}

// Remove is spool.FS's.
func (d *Disk) Remove(name string) error {
	defer d.mu.Unlock()
	if err := d.step("remove", name); err != nil {
		return err
	}
	dir, base := d.parent(name)
	if dir == nil || dir.children[base] == nil {
		return notThere("remove", name)
	}
	dir.change(change{gone: base})
	return nil
}

// SyncDir is spool.FS's.
func (d *Disk) SyncDir(name string) error {
	defer d.mu.Unlock()
	if err := d.step("syncdir", name); err != nil {
		return err
	}
	n := d.find(name)
	if n == nil {
		return notThere("syncdir", name)
	}
	if !d.NoSyncDir {
		n.changes = nil
		clear(n.safeChildren)
		for name, child := range n.children {
			n.safeChildren[name] = child
		}
	}
	return nil
}

// Free is spool.FS's; it is not counted.
func (d *Disk) Free(string) (bytes, inodes int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Capacity == 0 {
		return 1 << 40, 1 << 20, nil
	}
	return d.Capacity - d.root.used(), 1 << 20, nil
}

func (n *node) size() int64 { return max(int64(len(n.data)), n.blocks) }

func (n *node) used() (size int64) {
	size = n.size()
	for _, c := range n.children {
		size += c.used()
	}
	return size
}

// Lock is spool.FS's. A lock ends with the disk, as with a process.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locks[name] {
		return nil, spool.ErrLocked
	}
	d.locks[name] = true
	return unlock(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.locks, name)
	}), nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }
