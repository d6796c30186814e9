package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// NPMVersion is what packages.txt says of a package of npm: "3.3.4", and the day
// of which the packages are that it depends on.
func NPMVersion(name string) (version, day string) {
	for line := range strings.Lines(pins) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "npm" && f[1] == name {
			return f[2], f[3]
		}
	}
	return "", ""
}

// NPM returns a folder whose node_modules has a package of npm and all that it
// depends on, fetching them the first time. No script of theirs is run.
func NPM(name string) (string, error) {
	fetching.Lock()
	defer fetching.Unlock()
	version, day := NPMVersion(name)
	if version == "" {
		return "", fmt.Errorf("BUG: packages.txt has no npm %s", name)
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	tree := filepath.Join(cache, fmt.Sprintf("npm_%s_%s_%s", name, version, day))
	if _, err := os.Stat(tree); err == nil {
		return tree, nil
	}
	tmp, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := npmInstall(tmp, name+"@"+version, day); err != nil {
		return "", err
	}
	err = os.Rename(tmp, tree)
	if _, there := os.Stat(tree); there == nil {
		return tree, nil // another process may have been first
	}
	return tree, err
}

func npmInstall(dir, what, day string) error {
	var out []byte
	var err error
	for try := range 3 {
		time.Sleep(time.Duration(try) * time.Second)
		cmd := exec.Command("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--omit=optional", "--before="+day, "--prefix=.", what)
		cmd.Dir = dir
		if out, err = cmd.CombinedOutput(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("cannot fetch %s (npm and Node 20 or later are needed): %w: %s", what, err, out)
}
