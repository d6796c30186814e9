package spool

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// benchEnvelope is that of a message as relays see most of them.
func benchEnvelope(e *Envelope) {
	*e = *fullEnvelope()
	e.Frozen = false
	e.Recipients = []Recipient{{Address: "some.recipient@example.com"}}
	e.Sender = "bounces+12345@news.example.net"
	e.EnvID, e.ClientName, e.Helo = "", "mail.example.net", "mail.example.net"
	e.MessageID = "20240101000000.1234567890@example.net"
	e.Received = time.Time{}
}

func cpuTime() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCommit10K receives and finishes messages of 10 KB, each in a commit
// of its own, from 20 and 200 goroutines. -benchtime 20000x makes sense of it.
func BenchmarkCommit10K(b *testing.B) {
	for _, n := range []int{1, 20, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchCommit(b, n, true) })
		b.Run(fmt.Sprint(n, "/accept"), func(b *testing.B) { benchCommit(b, n, false) })
	}
}

func benchCommit(b *testing.B, goroutines int, finish bool) {
	s := open(b, b.TempDir(), Options{})
	body := bytes.Repeat([]byte("0123456789abcdef0123456789abcdef\r\n"), 301)
	var left atomic.Int64
	left.Store(int64(b.N))
	start, cpu := time.Now(), cpuTime()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				d := s.NewDraft()
				benchEnvelope(d.Envelope)
				d.Write(body)
				if err := s.Commit(&Batch{New: []*Draft{d}}); err != nil {
					b.Error(err)
				}
				id := d.Envelope.ID
				s.Forget(id)
				if !finish {
					continue
				}
				if err := s.Commit(&Batch{Outcomes: []Outcome{{ID: id, State: Delivered}}}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	st := s.Stats()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "msg/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/msg")
	b.ReportMetric(float64(st.Written)/float64(st.Received), "written/byte")
	b.ReportMetric(float64(st.Commits)/float64(st.Syncs), "commits/sync")
}

// BenchmarkOpen opens a spool of many deferred messages: -benchtime 1000000x
// for a million. It reports heap bytes a message and the time Open took.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, Options{})
	const batch = 500
	for i := 0; i < b.N; i += batch {
		batch := min(batch, b.N-i)
		var in, out Batch
		for range batch {
			d := s.NewDraft()
			benchEnvelope(d.Envelope)
			d.Write([]byte("body\r\n"))
			in.New = append(in.New, d)
		}
		if err := s.Commit(&in); err != nil {
			b.Fatal(err)
		}
		for _, d := range in.New {
			s.Forget(d.Envelope.ID)
			out.Outcomes = append(out.Outcomes, Outcome{ID: d.Envelope.ID, State: Pending, Attempts: 1,
				FirstFail: time.Now(), At: time.Now(), Error: "connect to mx.example.com[192.0.2.1]:25: connection refused"})
		}
		if err := s.Commit(&out); err != nil {
			b.Fatal(err)
		}
	}
	s.Close()
	s = nil
	before := heap()
	start := time.Now()
	s = open(b, dir, Options{})
	took := time.Since(start)
	b.ReportMetric(took.Seconds(), "open-s")
	b.ReportMetric(float64(heap()-before)/float64(b.N), "heap-B/msg")
	start = time.Now()
	n := 0
	s.Range(func(*Envelope) bool { n++; return true })
	b.ReportMetric(time.Since(start).Seconds(), "range-s")
	if n != b.N {
		b.Fatalf("%d of %d messages", n, b.N)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
