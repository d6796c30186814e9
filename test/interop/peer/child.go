package peer

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Child is a program that runs until it is stopped. What it prints goes to a
// file.
type Child struct {
	cmd  *exec.Cmd
	out  string
	done chan struct{}
	err  error // of Wait, once done is closed
}

// startChild starts a program with its output in the file out.
func startChild(out string, cmd *exec.Cmd) (*Child, error) {
	f, err := os.Create(out)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &Child{cmd: cmd, out: out, done: make(chan struct{})}
	go func() { c.err = cmd.Wait(); close(c.done) }()
	return c, nil
}

// PID is its process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when it has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is how it ended, once Done is closed.
func (c *Child) Err() error { return c.err }

// Output is what it printed so far, its last part.
func (c *Child) Output() string {
	b, _ := os.ReadFile(c.out)
	return string(b[max(0, len(b)-8<<10):])
}

// Kill ends it at once (kill -9) and waits for its end.
func (c *Child) Kill() {
	c.cmd.Process.Kill()
	<-c.done
}

// Stop asks it to end (SIGTERM), and kills it after patience.
func (c *Child) Stop(patience time.Duration) error {
	c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
		return c.err
	case <-time.After(patience):
		c.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM", filepath.Base(c.cmd.Path), patience)
	}
}

// ready waits until it accepts connections at addr.
func (c *Child) ready(addr string, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-c.done:
			return fmt.Errorf("%s ended at once: %v\n%s", filepath.Base(c.cmd.Path), c.err, c.Output())
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			c.Kill()
			return fmt.Errorf("%s does not listen on %s: %w\n%s", filepath.Base(c.cmd.Path), addr, err, c.Output())
		}
	}
}

// FreeAddr returns a loopback address that nobody listens on now.
func FreeAddr() (string, error) {
	all, err := freeAddrs(1)
	if err != nil {
		return "", err
	}
	return all[0], nil
}

// freeAddrs returns n of them, no two alike.
func freeAddrs(n int) (all []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all, nil
}
