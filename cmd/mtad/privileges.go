package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"mtad/internal/config"
)

// identity is whom the daemon runs as once its ports are bound.
type identity struct{ uid, gid int }

// findIdentity looks up user and group of the configuration. ok is false where
// there is nothing to drop: no user is set.
func findIdentity(cfg *config.Config) (id identity, ok bool, err error) {
	if cfg.User == "" {
		return identity{}, false, nil
	}
	u, err := user.Lookup(cfg.User)
	if err != nil {
		return identity{}, false, fmt.Errorf("user = %q: %w", cfg.User, err)
	}
	gid := u.Gid
	if cfg.Group != "" {
		g, err := user.LookupGroup(cfg.Group)
		if err != nil {
			return identity{}, false, fmt.Errorf("group = %q: %w", cfg.Group, err)
		}
		gid = g.Gid
	}
	if id.uid, err = strconv.Atoi(u.Uid); err == nil {
		id.gid, err = strconv.Atoi(gid)
	}
	return id, true, err
}

// dropPrivileges gives up root for good, after the ports are bound: groups,
// then gid, then uid, each checked, for all threads. Folders that the daemon
// writes to are made and given to the new identity first.
func dropPrivileges(cfg *config.Config) error {
	id, ok, err := findIdentity(cfg)
	if err != nil || !ok {
		return err
	}
	if os.Geteuid() != 0 {
		if os.Geteuid() == id.uid {
			return nil
		}
		return fmt.Errorf("user = %q: only root can become another user; start mtad as root or as %s", cfg.User, cfg.User)
	}
	for _, dir := range writtenFolders(cfg) {
		if err := giveFolder(dir, id); err != nil {
			return err
		}
	}
	if err := syscall.Setgroups([]int{id.gid}); err != nil {
		return fmt.Errorf("cannot drop supplementary groups: %w", err)
	}
	if err := syscall.Setresgid(id.gid, id.gid, id.gid); err != nil {
		return fmt.Errorf("cannot become group %d: %w", id.gid, err)
	}
	if err := syscall.Setresuid(id.uid, id.uid, id.uid); err != nil {
		return fmt.Errorf("cannot become user %d: %w", id.uid, err)
	}
	if id.uid != 0 && syscall.Setresuid(0, 0, 0) == nil {
		return fmt.Errorf("could become root again after dropping to %q", cfg.User)
	}
	return nil
}

// writtenFolders are those the daemon makes and writes to.
func writtenFolders(cfg *config.Config) []string {
	dirs := []string{cfg.SpoolDirectory}
	if strings.Contains(cfg.LogFilePath, "%s") {
		dirs = append(dirs, filepath.Dir(cfg.LogFilePath))
	}
	return dirs
}

// giveFolder makes a folder if it is missing and gives it to id, never through
// a symbolic link that somebody put there.
func giveFolder(dir string, id identity) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make %s: %w", dir, err)
	}
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", dir, err)
	}
	defer unix.Close(fd)
	if err := giveOpen(fd, dir, id); err != nil {
		return fmt.Errorf("cannot give %s to user %d: %w", dir, id.uid, err)
	}
	return nil
}

// giveOpen gives an open folder to id, and what root left in it in earlier runs:
// regular files with one name and folders, reached from the folder itself, so
// that nobody can put another file in the way.
func giveOpen(fd int, dir string, id identity) error {
	if err := unix.Fchown(fd, id.uid, id.gid); err != nil {
		return err
	}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := giveEntry(fd, e.Name(), filepath.Join(dir, e.Name()), id); err != nil {
			return err
		}
	}
	return nil
}

func giveEntry(folder int, name, path string, id identity) error {
	fd, err := unix.Openat(folder, name, unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // a link, or gone: none of ours
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return giveOpen(fd, path, id)
	case st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1 && st.Uid == 0:
		return unix.Fchown(fd, id.uid, id.gid)
	}
	return nil
}

// harden keeps what the process writes to itself, and its memory out of core
// files and debuggers of the same user.
func harden() {
	unix.Umask(0o077)
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
