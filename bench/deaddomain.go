package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"mtad/test/interop/peer"
)

// What a dead domain costs the others: the same load through an empty relay, and through one
// whose spool is full of deferred messages, half of them for a domain that refuses
// connections, and due. Once while these come due, all at once, and once when they have.

func besideDeadDomain(dir, bin string, n int) error {
	home := filepath.Join(dir, "dead")
	defer os.RemoveAll(home)
	for _, run := range []struct {
		what          string
		full, settled bool
	}{{"an empty spool", false, true}, {"while the dead domain's come due", true, false}, {"after that", true, true}} {
		if run.full {
			if err := fill(filepath.Join(home, "spool.d"), n, filling{deferred: true, deadDue: true}); err != nil {
				return err
			}
		}
		line, err := othersSpeed(home, bin, run.settled)
		if err != nil {
			return fmt.Errorf("%s: %w", run.what, err)
		}
		fmt.Printf("%s: %s\n", run.what, line)
		if err := os.RemoveAll(home); err != nil {
			return err
		}
	}
	return nil
}

// othersSpeed relays messages for a thousand living domains.
func othersSpeed(home, bin string, settled bool) (string, error) {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	s := scenario{messages: 12000, sessions: 20, size: kb10, domains: 1000}
	hop, err := s.nextHop(home)
	if err != nil {
		return "", err
	}
	defer hop.close()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	dead.Close()
	hop.routes[deadDomain] = dead.Addr().String()
	start := time.Now()
	m, err := peer.StartMtad(bin, home, &peer.MtadConfig{NextHop: hop.addr, Routes: hop.routes, Connections: hopConnections})
	if err != nil {
		return "", err
	}
	defer m.Kill()
	if settled {
		steadyRSS(m.PID())
	}
	since := time.Since(start)
	r, err := s.drive("mtad", relay{m.Addr, func() (peer.Usage, error) { return peer.ProcessUsage(m.PID()) }, m.Kill}, hop)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d messages begun %.1f s after the start: %.0f msg/s, %.3f CPU-ms a message, peak RSS %d MB", s.messages, since.Seconds(),
		float64(s.messages)/r.elapsed.Seconds(), r.used.CPU.Seconds()*1000/float64(s.messages), r.used.PeakRSS>>20), nil
}
