package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Version is what packages.txt says of a package: "4.96-15+deb12u10".
func Version(name string) string {
	version, _ := pinned(name)
	return version
}

// StartJailed runs a script with packages as if they were installed, in
// namespaces of its own (jail.sh says how), and waits until it listens at addr.
// It needs root. What it prints goes to a file in dir.
func StartJailed(jail, dir, addr string, packages []string, script ...string) (*Child, error) {
	trees := make([]string, len(packages))
	for i, name := range packages {
		tree, err := Package(name)
		if err != nil {
			return nil, err
		}
		trees[i] = tree
	}
	work := filepath.Join(dir, "jail")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, err
	}
	// The shell stays, as the first process of its namespace: its end is that of
	// all others, of set-uid ones such as Exim too, which no parent's end reaches.
	args := append([]string{"-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", jail, work, strings.Join(trees, ":"), "sh"}, script...)
	return StartCommand(dir, addr, exec.Command("unshare", args...))
}

// StartCommand runs a program in dir, where its output goes, and waits until it
// listens at addr.
func StartCommand(dir, addr string, cmd *exec.Cmd) (*Child, error) {
	cmd.Dir = dir
	child, err := startChild(filepath.Join(dir, "output"), cmd)
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", cmd.Path, err)
	}
	return child, child.ready(addr, 20*time.Second)
}
