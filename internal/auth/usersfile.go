package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/BurntSushi/toml"
)

// Listed is a user as `mtad user list` shows it: what there is, not what it is.
type Listed struct {
	Name               string
	Hash, Scram, Plain bool
}

// ErrNoUser is what RemoveUser returns where there is none of that name.
var ErrNoUser = errors.New("there is no such user")

// ListUsers returns the users of a file by name.
func ListUsers(path string) ([]Listed, error) {
	entries, err := readEntries(path)
	if err != nil {
		return nil, err
	}
	var all []Listed
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		e := entries[name]
		all = append(all, Listed{name, e.Hash != "", e.Scram != "", e.Plain != ""})
	}
	return all, nil
}

// AddUser writes an entry, over the old one where there is one; a file that is
// missing is made. plain keeps the secret itself too, which CRAM-MD5 needs:
// whoever reads the file has it then.
func AddUser(path, name, secret string, plain bool) error {
	if !usable(name, maxName) || strings.ContainsFunc(name, isControl) {
		return errors.New("a name has 1 to 255 octets of UTF-8 without control characters")
	}
	if !usable(secret, maxSecret) || strings.ContainsFunc(secret, isControl) {
		return fmt.Errorf("a secret has 1 to %d octets of UTF-8 without control characters", maxSecret)
	}
	name = prepare(name)
	keys, err := newScramKeys(name, secret)
	if err != nil {
		return fmt.Errorf("cannot derive SCRAM keys: %w", err)
	}
	e := entry{Hash: newArgonHash(prepare(secret)).String(), Scram: formatScram(keys)}
	if plain {
		e.Plain = secret
	}
	return changeUsers(path, func(all map[string]entry) error {
		all[name] = e
		return nil
	})
}

// RemoveUser takes an entry out.
func RemoveUser(path, name string) error {
	return changeUsers(path, func(all map[string]entry) error {
		for _, n := range []string{name, prepare(name)} {
			if _, ok := all[n]; ok {
				delete(all, n)
				return nil
			}
		}
		return ErrNoUser
	})
}

func readEntries(path string) (map[string]entry, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all, err := decodeUsers(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// changeUsers holds the folder locked from reading to replacing: of two
// changes at a time none is lost.
func changeUsers(path string, change func(map[string]entry) error) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("cannot lock %s: %w", dir.Name(), err)
	}
	all, err := readEntries(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if all == nil {
		all = make(map[string]entry)
	}
	if err := change(all); err != nil {
		return err
	}
	return replace(path, all, dir)
}

// replace puts the file in place as a whole, 0600, its owner as it was: the
// daemon reads it under a user of its own.
func replace(path string, all map[string]entry, dir *os.File) error {
	var text bytes.Buffer
	text.WriteString("# Users of mtad; `mtad user` writes this file.\n")
	if err := toml.NewEncoder(&text).Encode(map[string]any{"user": all}); err != nil {
		return fmt.Errorf("cannot write %s: an entry has no TOML form", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is none
	_, err = f.Write(text.Bytes())
	err = errors.Join(err, keepOwner(f, path), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return dir.Sync()
}

func keepOwner(f *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() != 0 { // new, or not ours to give away
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}
