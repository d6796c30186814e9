package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	versionName = "VERSION"
	versionText = "mtad spool 1\n"
	lockName    = "lock"
)

// openFolder makes or checks the spool folder and takes the lock. A folder of
// another version is left as it is.
func (s *Spool) openFolder() (err error) {
	if err := s.makeFolder(s.dir); err != nil {
		return err
	}
	if err := s.checkFolder(); err != nil {
		return err
	}
	if s.lock, err = s.fs.Lock(s.path(lockName)); err != nil {
		return err
	}
	if err = s.checkVersion(); err == nil {
		err = errors.Join(s.fs.Mkdir(s.path(bodyFolder)), s.fs.Mkdir(s.path(brokenFolder)))
	}
	if err != nil {
		s.lock.Close()
	}
	return err
}

// makeFolder makes the folder and those above it that are missing, durably.
func (s *Spool) makeFolder(dir string) error {
	if _, err := s.fs.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := s.makeFolder(parent); err != nil {
			return err
		}
	}
	if err := s.fs.Mkdir(dir); err != nil {
		return err
	}
	return s.fs.SyncDir(parent)
}

// checkFolder refuses a folder in which others could plant or change mail.
func (s *Spool) checkFolder() error {
	st, err := s.fs.Stat(s.dir)
	switch {
	case err != nil:
		return err
	case !st.Dir:
		return errors.New("not a folder")
	case st.Mode&0o022 != 0:
		return fmt.Errorf("mode %#o lets others write to it: chmod 700 it, or choose another folder", st.Mode)
	case st.UID != uint32(os.Geteuid()):
		return fmt.Errorf("it belongs to uid %d, and this process is uid %d: chown it, or run as its owner", st.UID, os.Geteuid())
	}
	return nil
}

func (s *Spool) checkVersion() error {
	name := s.path(versionName)
	f, err := s.fs.Open(name, ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return s.writeVersion()
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 64)
	n, _ := f.ReadAt(b, 0)
	if string(b[:n]) != versionText {
		return fmt.Errorf("%w: %s says %q, this mtad reads %q: run the version that wrote it, or name another spool_directory",
			ErrVersion, name, b[:n], versionText)
	}
	return nil
}

// writeVersion marks an empty folder as a spool. It comes before all else, so a
// folder with segments and without it has lost it.
func (s *Spool) writeVersion() error {
	entries, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, segmentPrefix) || strings.HasPrefix(e.Name, checkpointPrefix) {
			return fmt.Errorf("%w: %s is there but the file %s is missing: put it back with the text %q",
				ErrVersion, e.Name, versionName, versionText)
		}
	}
	name := s.path(versionName)
	temp := name + tempSuffix
	_ = s.fs.Remove(temp)
	f, err := s.fs.Open(temp, Create)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([][]byte{[]byte(versionText)}, 0); err != nil {
		return err
	}
	if err := f.Datasync(); err != nil {
		return err
	}
	if err := s.fs.Rename(temp, name); err != nil {
		return err
	}
	return s.fs.SyncDir(s.dir)
}
