// Package peer fetches and runs the programs that mtad is tried against and
// measured beside: Postfix and its tools from Debian's package, unpacked into
// a cache and never installed, and mtad itself as a child process. A peer that
// cannot be had is an error, never a reason to skip.
package peer

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

//go:embed packages.txt
var pins string

// pinned returns the version of a package in packages.txt, "" if it is not
// there, and the names of all libraries there.
func pinned(name string) (version string, libs []string) {
	for line := range strings.Lines(pins) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "lib" {
			f = f[1:]
			libs = append(libs, f[0])
		}
		if len(f) == 2 && f[0] == name {
			version = f[1]
		}
	}
	return version, libs
}

// CacheDir is where packages are kept between runs, outside the source tree.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir() // XDG_CACHE_HOME, else ~/.cache
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "mtad-interop")
	return dir, os.MkdirAll(dir, 0o755)
}

var fetching sync.Mutex

// Package returns the unpacked tree of a package of packages.txt, fetching it
// the first time.
func Package(name string) (string, error) {
	fetching.Lock()
	defer fetching.Unlock()
	return unpacked(name)
}

func unpacked(name string) (string, error) {
	version, _ := pinned(name)
	if version == "" {
		return "", fmt.Errorf("BUG: packages.txt has no %s", name)
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	tree := filepath.Join(cache, name+"_"+strings.ReplaceAll(version, ":", "_"))
	if _, err := os.Stat(tree); err == nil {
		return tree, nil
	}
	tmp, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := fetch(tmp, name, version); err != nil {
		return "", err
	}
	debs, _ := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if len(debs) != 1 {
		return "", fmt.Errorf("apt-get download %s left %d files", name, len(debs))
	}
	if out, err := exec.Command("dpkg", "-x", debs[0], filepath.Join(tmp, "tree")).CombinedOutput(); err != nil {
		return "", fmt.Errorf("dpkg -x %s: %w: %s", debs[0], err, out)
	}
	err = os.Rename(filepath.Join(tmp, "tree"), tree)
	if _, there := os.Stat(tree); there == nil {
		return tree, nil // another process may have been first
	}
	return tree, err
}

// fetch downloads one package. Package lists may be missing or old: from the
// second try on they are fetched first.
func fetch(dir, name, version string) error {
	var out []byte
	var err error
	for try := range 4 {
		if try > 0 {
			time.Sleep(time.Duration(try) * time.Second)
			exec.Command("apt-get", "-q", "update").Run()
		}
		cmd := exec.Command("apt-get", "-q", "download", name+"="+version)
		cmd.Dir = dir
		if out, err = cmd.CombinedOutput(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("cannot fetch %s %s (if the archive has a newer one, change test/interop/peer/packages.txt): %w: %s", name, version, err, out)
}

// libraryPath returns the folders that a program needs in LD_LIBRARY_PATH:
// own, and those of packages whose libraries this machine lacks.
func libraryPath(own string, programs ...string) (string, error) {
	if !lacks(own, programs) {
		return own, nil
	}
	path := []string{own}
	_, libs := pinned("")
	for _, lib := range libs {
		tree, err := unpacked(lib)
		if err != nil {
			return "", err
		}
		dirs, _ := filepath.Glob(filepath.Join(tree, "usr/lib/*-linux-gnu*"))
		path = append(path, dirs...)
	}
	joined := strings.Join(path, ":")
	if lacks(joined, programs) {
		return "", fmt.Errorf("libraries that %s needs are missing here", programs[0])
	}
	return joined, nil
}

func lacks(path string, programs []string) bool {
	cmd := exec.Command("ldd", programs...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+path)
	out, err := cmd.Output()
	return err != nil || strings.Contains(string(out), "not found")
}
