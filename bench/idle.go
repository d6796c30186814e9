package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"mtad/test/interop/peer"
)

// What sessions cost that say nothing more: the slope of the
// process's memory between few and many of them.

const (
	idleBase     = 200  // sessions at the lower end of the slope: pools and code are there
	idleSessions = 2000 // added to them
)

func idleClear(dir, bin string, n int) error { return idleMemory(dir, bin, n, 0, nil) }
func idleTLS12(dir, bin string, n int) error { return idleMemory(dir, bin, n, tls.VersionTLS12, nil) }
func idleTLS13(dir, bin string, n int) error { return idleMemory(dir, bin, n, tls.VersionTLS13, nil) }

// idleAfterMessage has sessions that have sent a message, in TLS records as
// large as they may be.
func idleAfterMessage(dir, bin string, n int) error {
	body := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1<<20/72) + ".\r\n"
	return idleMemory(dir, bin, n, tls.VersionTLS13, []byte(body))
}

// idleMemory has sessions in clear or in TLS of a version, which have sent a
// message if there is one.
func idleMemory(dir, bin string, n int, version uint16, message []byte) error {
	home := filepath.Join(dir, fmt.Sprintf("idle-%x-%d", version, len(message)))
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	m, err := peer.StartMtad(bin, home, &peer.MtadConfig{NextHop: "127.0.0.1:9", Env: tightHeap, Options: serverTLS("self-signed", "")})
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
			c, err := idleSession(m.Addr, version, message)
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

// idleSession connects, says EHLO, starts TLS and sends a message, as wanted.
func idleSession(addr string, version uint16, message []byte) (conn net.Conn, err error) {
	if conn, err = net.Dial("tcp", addr); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	in := bufio.NewReaderSize(conn, 512)
	say := func(line, want string) error {
		if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
			return err
		}
		return expect(in, want)
	}
	if err = expect(in, "220 "); err == nil {
		err = say("EHLO load.test", "250 ")
	}
	if err != nil || version == 0 {
		return conn, err
	}
	if err = say("STARTTLS", "220 "); err != nil {
		return conn, err
	}
	conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, DynamicRecordSizingDisabled: true})
	in.Reset(conn)
	if err = say("EHLO load.test", "250 "); err != nil || message == nil {
		return conn, err
	}
	for _, step := range []struct{ line, want string }{{"MAIL FROM:<a@load.test>", "250 "}, {"RCPT TO:<b@load.test>", "250 "}, {"DATA", "354 "}} {
		if err = say(step.line, step.want); err != nil {
			return conn, err
		}
	}
	if _, err = conn.Write(message); err == nil {
		err = expect(in, "250 ")
	}
	return conn, err
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
