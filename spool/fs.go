package spool

import "io"

// FS is all that the spool asks of a file system. Tests put a model of a disk
// that loses power in its place. Names are paths made by joining the spool
// folder and plain names. Links are never followed but in the path of the spool
// folder itself.
type FS interface {
	// Open opens a regular file; it is an error for anything else to have that name.
	Open(name string, how OpenMode) (File, error)
	// Mkdir makes a folder with mode 0700; that it exists is no error.
	Mkdir(name string) error
	// Stat describes the folder or file itself.
	Stat(name string) (Entry, error)
	// ReadDir lists a folder, in no order.
	ReadDir(name string) ([]Entry, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(name string) error
	// Free tells what a writer without privileges could still write.
	Free(name string) (bytes, inodes int64, err error)
	// Lock takes an exclusive lock that ends with the process or with Close;
	// ErrLocked when another has it.
	Lock(name string) (io.Closer, error)
}

// File is an open file of an FS.
type File interface {
	io.ReaderAt
	io.Closer
	// WriteAt writes the buffers one behind the other; n counts what was written.
	// It keeps nothing of them and changes nothing in them.
	WriteAt(bufs [][]byte, off int64) (n int64, err error)
	Truncate(size int64) error
	// StartWriting asks the disk to take n written bytes from off on soon. It
	// waits for nothing and promises nothing; its errors are those of Datasync.
	StartWriting(off, n int64)
	// Datasync makes the bytes and the length durable, not the name.
	Datasync() error
	// Allocate sets blocks aside for the first size bytes, which read as zero.
	Allocate(size int64) error
	Size() (int64, error)
}

// OpenMode says what Open may do.
type OpenMode uint8

// Modes of Open.
const (
	ReadOnly  OpenMode = iota
	ReadWrite          // the file exists
	Create             // the file must not exist; mode 0600
)

// Entry describes a name in a folder.
type Entry struct {
	Name    string
	Size    int64
	Mode    uint32 // permission bits
	UID     uint32
	Dir     bool
	Regular bool
}
