package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"mtad/test/interop/peer"
)

// What sessions cost that have greeted and say nothing more: the slope of the
// process's memory between few and many of them.

const (
	idleBase     = 200  // sessions at the lower end of the slope: pools and code are there
	idleSessions = 2000 // added to them
)

func idleMemory(dir, bin string, n int) error {
	home := filepath.Join(dir, "idle")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	m, err := peer.StartMtad(bin, home, &peer.MtadConfig{NextHop: "127.0.0.1:9", Env: tightHeap})
	if err != nil {
		return err
	}
	defer m.Kill()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	var rss [2]int64
	for i, want := range []int{idleBase, idleBase + n} {
		for len(conns) < want {
			c, err := idleSession(m.Addr)
			if err != nil {
				return fmt.Errorf("session %d: %w", len(conns)+1, err)
			}
			conns = append(conns, c)
		}
		rss[i] = steadyRSS(m.PID())
	}
	fmt.Printf("%s\n\n%d idle sessions: %.1f KB of RSS each, %d MB in all, %d MB with %d sessions\n",
		machine(), n, float64(rss[1]-rss[0])/float64(n)/1024, rss[1]>>20, rss[0]>>20, idleBase)
	return nil
}

// idleSession connects and says EHLO.
func idleSession(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(c, 512)
	if err = expect(in, "220 "); err == nil {
		if _, err = c.Write([]byte("EHLO load.test\r\n")); err == nil {
			err = expect(in, "250 ")
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// expect reads a reply up to its last line, which begins with want.
func expect(in *bufio.Reader, want string) error {
	for {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(line, want):
			return nil
		case !strings.HasPrefix(line, want[:3]):
			return fmt.Errorf("refused: %s", line)
		}
	}
}
