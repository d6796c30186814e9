package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mtad/internal/load"
	"mtad/spool"
	"mtad/test/interop/peer"
)

// A start with a full spool: the time from the start of the program to the
// first delivery, from a warm page cache and from a cold one, and the memory
// that a waiting message costs.

const (
	million   = 1_000_000
	fillBatch = 1000 // messages in one commit of the filling

	startPatience = 30 * time.Second
)

// startReady starts with messages that were never tried, startDeferred with
// deferred ones and, the newest of all, one that is ready.
func startReady(dir, bin string, n int) error    { return startFull(dir, bin, n, false) }
func startDeferred(dir, bin string, n int) error { return startFull(dir, bin, n, true) }

func startFull(dir, bin string, n int, deferred bool) error {
	home := filepath.Join(dir, "full")
	defer os.RemoveAll(home)
	if err := fill(filepath.Join(home, "spool.d"), n, filling{deferred: deferred, newest: true}); err != nil {
		return err
	}
	memory, err := waitingMemory(bin, home, n)
	if err != nil {
		return err
	}
	fmt.Printf("%d messages: %s\n", n, memory)
	for _, cold := range []bool{false, true} {
		cache := "warm"
		if err := fill(filepath.Join(home, "spool.d"), 1, filling{}); err != nil { // the last start has delivered the ready one
			return err
		}
		if cold {
			cache = "cold"
			if err := dropCaches(); err != nil {
				fmt.Println("no start from a cold page cache:", err)
				continue
			}
		}
		took, used, err := firstDelivery(bin, home)
		if err != nil {
			return err
		}
		fmt.Printf("%s page cache: first delivery after %.2f s and %.2f s of CPU, peak RSS %d MB\n", cache, took.Seconds(), used.CPU.Seconds(), used.PeakRSS>>20)
	}
	return nil
}

// deadDomain is where every second message of a full spool goes; the others are spread
// over manyDomains.
const (
	deadDomain  = "dead.test"
	manyDomains = 100_000
)

// filling says what state the messages of a spool are in.
type filling struct {
	deferred bool
	newest   bool // the newest was never tried
	deadDue  bool // those for the dead domain were deferred so long ago that they are due
}

// fill makes a spool of n small messages.
func fill(dir string, n int, how filling) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	s, err := spool.Open(dir, spool.Options{BodyMemory: 1})
	if err != nil {
		return err
	}
	defer s.Close()
	for i := 0; i < n; i += fillBatch {
		var in, out spool.Batch
		for j := i; j < min(n, i+fillBatch); j++ {
			in.New = append(in.New, smallMessage(s, j))
		}
		envelopes := make([]*spool.Envelope, 0, fillBatch)
		for _, d := range in.New {
			envelopes = append(envelopes, d.Envelope)
		}
		if err := s.Commit(&in); err != nil {
			return err
		}
		for _, env := range envelopes {
			out.Outcomes = append(out.Outcomes, refused(env, how))
		}
		if i+fillBatch >= n && how.newest {
			out.Outcomes = out.Outcomes[:len(out.Outcomes)-1]
		}
		if !how.deferred {
			continue
		}
		if err := s.Commit(&out); err != nil {
			return err
		}
	}
	return nil
}

// smallMessage is what relays see most of, but for its size.
func smallMessage(s *spool.Spool, i int) *spool.Draft {
	d := s.NewDraft()
	d.Header = []byte("Received: from client.load.test by relay.test; Mon, 1 Jan 2024 00:00:00 +0000\r\n")
	fmt.Fprintf(d, "Subject: %d\r\n\r\nSmall.\r\n", i)
	size := int64(len(d.Header)) + d.Len()
	domain := deadDomain
	if i%2 == 0 {
		domain = fmt.Sprintf("d%d.test", i/2%manyDomains)
	}
	*d.Envelope = spool.Envelope{
		Received: time.Now(), Sender: "bounces+12345@news.load.test",
		Recipients: []spool.Recipient{{Address: fmt.Sprintf("recipient.%d@%s", i, domain)}},
		Size:       size, WireSize: size,
		ClientName: "mail.load.test", Helo: "mail.load.test", Protocol: "esmtp",
		MessageID: fmt.Sprintf("20240101000000.%d@load.test", i),
	}
	return d
}

// refused defers a message until some minutes from now.
func refused(env *spool.Envelope, how filling) spool.Outcome {
	tried := time.Now()
	if how.deadDue && strings.HasSuffix(env.Recipients[0].Address, "@"+deadDomain) {
		tried = tried.Add(-20 * time.Minute)
	}
	return spool.Outcome{ID: env.ID, State: spool.Pending, Attempts: 1, FirstFail: tried, At: tried,
		Error: "connect to mx.load.test[192.0.2.1]:25: connection refused"}
}

// firstDelivery starts the program on a full spool.
func firstDelivery(bin, home string) (time.Duration, peer.Usage, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, peer.Usage{}, err
	}
	sink := &load.Sink{}
	defer sink.Close()
	go sink.Serve(l)
	start := time.Now()
	m, err := peer.StartMtad(bin, home, &peer.MtadConfig{NextHop: l.Addr().String(), Connections: hopConnections})
	if err != nil {
		return 0, peer.Usage{}, err
	}
	defer m.Kill()
	for sink.Totals().Recipients == 0 {
		select {
		case <-m.Done():
			return 0, peer.Usage{}, fmt.Errorf("mtad ended: %w: %s", m.Err(), m.Output())
		case <-time.After(time.Millisecond):
		}
		if time.Since(start) > startPatience {
			return 0, peer.Usage{}, fmt.Errorf("no delivery within %s: %s", startPatience, m.Output())
		}
	}
	took := time.Since(start)
	used, err := peer.ProcessUsage(m.PID())
	return took, used, err
}

// tightHeap makes a process collect whenever its heap has grown by a tenth, so
// that its memory is what it holds, and not what it has not looked at.
var tightHeap = []string{"GOGC=10", "GODEBUG=gctrace=1"}

// waitingMemory is what n waiting messages cost. The next hop never greets, so
// they stay; an empty spool's memory is taken off.
func waitingMemory(bin, home string, n int) (string, error) {
	empty := home + "-empty"
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return "", err
	}
	var rss, live [2]int64
	for i, dir := range []string{empty, home} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		defer l.Close()
		m, err := peer.StartMtad(bin, dir, &peer.MtadConfig{NextHop: l.Addr().String(), Env: tightHeap})
		if err != nil {
			return "", err
		}
		defer m.Kill()
		rss[i] = steadyRSS(m.PID())
		live[i] = liveHeap(m.Output())
		m.Kill()
	}
	return fmt.Sprintf("%d bytes of heap, %d bytes of RSS a message", (live[1]-live[0])/int64(n), (rss[1]-rss[0])/int64(n)), nil
}

// steadyRSS waits until a process has used no CPU for a second, and returns its memory.
func steadyRSS(pid int) int64 {
	var last time.Duration
	for quiet := 0; quiet < 10; quiet++ {
		time.Sleep(100 * time.Millisecond)
		u, err := peer.ProcessUsage(pid)
		if err != nil {
			break
		}
		if u.CPU-last > 10*time.Millisecond {
			quiet = 0
		}
		last = u.CPU
	}
	return peer.RSS(pid)
}

// liveHeap reads the bytes that were alive after the last collection from what
// GODEBUG=gctrace=1 prints: "gc 7 @0.1s 2%: …, 4->5->3 MB, …".
func liveHeap(output string) (live int64) {
	for line := range strings.Lines(output) {
		if sizes, _, found := strings.Cut(line, " MB, "); found && strings.HasPrefix(line, "gc ") {
			var mb int64
			fmt.Sscan(sizes[strings.LastIndex(sizes, "->")+2:], &mb)
			live = mb << 20
		}
	}
	return live
}

// dropCaches empties the page cache, as root.
func dropCaches() error {
	unix.Sync()
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3\n"), 0)
}
