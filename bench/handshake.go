package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"mtad/test/interop/peer"
)

// What a connection with a TLS handshake costs mtad, beside a bare server of
// crypto/tls that answers the same lines: both run at the same time and get
// their connections in turns, so that what the machine does otherwise hits both.

const (
	handshakeRounds  = 6
	handshakeCallers = 4 // connections at a time
)

// handshakeKind is one sort of session.
type handshakeKind struct {
	version uint16 // 0: no TLS at all
	resumed bool
}

var handshakeKinds = []handshakeKind{
	{0, false},
	{tls.VersionTLS12, false}, {tls.VersionTLS12, true},
	{tls.VersionTLS13, false}, {tls.VersionTLS13, true},
}

func (k handshakeKind) String() string {
	switch {
	case k.version == 0:
		return "in clear"
	case k.resumed:
		return tls.VersionName(k.version) + ", resumed"
	}
	return tls.VersionName(k.version) + ", full"
}

// handshakeCosts prints a table; n is the connections of each row and server.
func handshakeCosts(dir, bin string, n int) error {
	fmt.Printf("%s\n\n| key | tls_groups | session | mtad, CPU-µs | bare server, CPU-µs | ratio | handshakes alone |\n| --- | --- | --- | ---: | ---: | ---: | ---: |\n", machine())
	for _, key := range []string{"rsa", "ecdsa"} {
		for _, groups := range []string{"", "X25519"} {
			if err := handshakeTable(filepath.Join(dir, "handshake-"+key+groups), bin, key, groups, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func handshakeTable(home, bin, key, groups string, n int) error {
	servers, err := startPair(home, bin, key, groups)
	if err != nil {
		return err
	}
	defer servers[0].stop()
	defer servers[1].stop()
	var clear [2]float64
	for _, k := range handshakeKinds {
		cost, err := servers.costs(k, n)
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
		alone := ""
		if k.version == 0 {
			clear = cost
		} else {
			alone = fmt.Sprintf("%.2f", (cost[0]-clear[0])/(cost[1]-clear[1]))
		}
		fmt.Printf("| %s | %s | %s | %.0f | %.0f | %.2f | %s |\n", key, or(groups, "default"), k, cost[0], cost[1], cost[0]/cost[1], alone)
	}
	return nil
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// handshakePair is mtad and the bare server.
type handshakePair [2]handshakeServer

type handshakeServer struct {
	addr string
	pid  int
	stop func()
}

func startPair(home, bin, key, groups string) (pair handshakePair, err error) {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return pair, err
	}
	file, err := keyFile(home, key)
	if err != nil {
		return pair, err
	}
	m, err := peer.StartMtad(bin, home, &peer.MtadConfig{NextHop: "127.0.0.1:9", Options: serverTLS(file, groups)})
	if err != nil {
		return pair, err
	}
	pair[0] = handshakeServer{m.Addr, m.PID(), m.Kill}
	if pair[1], err = startBare(file, groups); err != nil {
		m.Kill()
	}
	return pair, err
}

// startBare starts this program once more.
func startBare(file, groups string) (handshakeServer, error) {
	addr, err := peer.FreeAddr()
	if err != nil {
		return handshakeServer{}, err
	}
	cmd := exec.Command("/proc/self/exe", "-"+bareFlag, addr, "-key", file, "-groups", groups)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return handshakeServer{}, err
	}
	stop := func() { cmd.Process.Kill(); cmd.Wait() }
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return handshakeServer{addr, cmd.Process.Pid, stop}, nil
		}
		if time.Now().After(end) {
			stop()
			return handshakeServer{}, errors.New("the bare server does not listen")
		}
	}
}

// costs is the CPU of each server in µs a session. The first round warms up.
func (p *handshakePair) costs(k handshakeKind, n int) (each [2]float64, err error) {
	clients := [2]*tls.Config{k.client(), k.client()}
	for round := range handshakeRounds + 1 {
		for i := range p {
			before, err := cpuTime(p[i].pid)
			if err != nil {
				return each, err
			}
			if err := sessions(p[i].addr, clients[i], k, n/handshakeRounds, round > 0); err != nil {
				return each, err
			}
			after, err := cpuTime(p[i].pid)
			if err != nil {
				return each, err
			}
			if round > 0 {
				each[i] += float64(after-before) / 1000 / float64(n/handshakeRounds*handshakeRounds)
			}
		}
	}
	return each, nil
}

// client is nil in clear. A cache is shared by all sessions with one server.
func (k handshakeKind) client() *tls.Config {
	if k.version == 0 {
		return nil
	}
	cfg := &tls.Config{InsecureSkipVerify: true, ServerName: "relay.test", MinVersion: k.version, MaxVersion: k.version}
	if k.resumed {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return cfg
}

// sessions are n of them; warm ones resume if they can.
func sessions(addr string, cfg *tls.Config, k handshakeKind, n int, warm bool) error {
	var wg sync.WaitGroup
	faults := make(chan error, handshakeCallers)
	for range handshakeCallers {
		wg.Go(func() {
			for range n / handshakeCallers {
				if resumed, err := tlsSession(addr, cfg); err != nil {
					faults <- err
					return
				} else if warm && resumed != k.resumed {
					faults <- fmt.Errorf("resumed: %t", resumed)
					return
				}
			}
		})
	}
	wg.Wait()
	close(faults)
	return <-faults
}

// tlsSession says EHLO, STARTTLS and EHLO again if there is a configuration, and QUIT.
func tlsSession(addr string, cfg *tls.Config) (resumed bool, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false, err
	}
	defer func() { conn.Close() }()
	in := bufio.NewReaderSize(conn, 1024)
	if err := expect(in, "220 "); err != nil {
		return false, err
	}
	say := func(line, want string) error {
		if _, err := conn.Write([]byte(line + "\r\n")); err != nil {
			return err
		}
		return expect(in, want)
	}
	if err := say("EHLO load.test", "250 "); err != nil {
		return false, err
	}
	if cfg != nil {
		if err := say("STARTTLS", "220 "); err != nil {
			return false, err
		}
		c := tls.Client(conn, cfg)
		if err := c.Handshake(); err != nil {
			return false, err
		}
		conn, resumed = c, c.ConnectionState().DidResume
		in.Reset(conn)
		if err := say("EHLO load.test", "250 "); err != nil {
			return false, err
		}
	}
	return resumed, say("QUIT", "221 ")
}

// cpuTime is the CPU that a process has used, to the nanosecond: its clock
// (clock_getcpuclockid(3)), where /proc counts in hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|2), &t)
	return time.Duration(t.Nano()), err
}
