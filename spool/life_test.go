package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"mtad/spool"
	"mtad/spool/spooltest"
)

// A full disk refuses mail, still takes outcomes from the reserve, and all is
// well again by itself once there is space (THREATS A5, DU-08).
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := spooltest.NewDisk()
	disk.Capacity = 3 << 20
	l := newLedger(disk)
	l.opt.SegmentSize, l.opt.LargeBody, l.opt.MinFreeBytes = 1<<20, 64<<10, 128<<10
	if !l.open() {
		t.Fatal(l.errs)
	}
	var ids []spool.ID
	for len(l.errs) == 0 {
		ids = append(ids, l.receive(30<<10, 1))
		if len(ids) > 1000 {
			t.Fatal("the disk never got full")
		}
	}
	if !errors.Is(l.errs[0], spool.ErrFull) {
		t.Fatalf("error of a full disk: %v", l.errs[0])
	}
	ids = ids[:len(ids)-1]
	large := l.message(70<<10, 1)
	if err := l.s.Commit(&spool.Batch{New: []*spool.Draft{large}}); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("large message on a full disk: %v", err)
	}
	large.Discard()
	free, _, _ := disk.Free(dir)
	disk.Change(func() { disk.Capacity -= free }) // not a byte left: the reserve is what makes room from here on
	l.errs = nil
	for _, id := range ids {
		l.outcome(id, 0, spool.Pending)
	}
	if len(l.errs) > 0 {
		t.Fatalf("outcomes found no room: %v", l.errs)
	}
	disk.Change(func() { disk.Capacity = 1 })
	if l.outcome(ids[0], 0, spool.Delivered); len(l.errs) != 1 || !errors.Is(l.errs[0], spool.ErrFull) {
		t.Fatalf("outcome without space and reserve: %v", l.errs)
	}
	l.errs = nil
	disk.Change(func() { disk.Capacity = 64 << 20 })
	l.s.Maintain()
	if files := disk.Files(); files[dir+"/reserve"] == 0 {
		t.Error("the reserve was not made again")
	}
	l.receive(30<<10, 1)
	l.outcome(ids[0], 0, spool.Delivered)
	if len(l.errs) > 0 || l.s.Poisoned() {
		t.Fatalf("not well again: %v", l.errs)
	}
	if err := l.judge(disk.Survivor(spooltest.KeepNothing, nil)); err != nil {
		t.Fatal(err)
	}
}

// Full follows the free space, there and back.
func TestFullFollowsSpace(t *testing.T) {
	t.Parallel()
	disk := spooltest.NewDisk()
	disk.Capacity = 10 << 20
	s, err := spool.Open(dir, spool.Options{FS: disk, MinFreeBytes: 20 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Full() {
		t.Fatal("not full below MinFreeBytes")
	}
	s2, err := spool.Open("/other", spool.Options{FS: disk, MinFreeBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s2.Close()
	if s2.Full() {
		t.Fatal("full above MinFreeBytes")
	}
}

// A failed sync ends all writing, is told once, and is not tried again (DU-06).
func TestPoison(t *testing.T) {
	t.Parallel()
	disk := spooltest.NewDisk()
	told := 0
	s, err := spool.Open(dir, spool.Options{FS: disk, Report: func(e spool.Event) {
		if e.Kind == "poisoned" {
			told++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	syncs := 0
	disk.Change(func() {
		disk.Fault = func(op spooltest.Op) error {
			if op.Kind == "datasync" {
				if syncs++; syncs == 1 {
					return unix.EIO
				}
			}
			return nil
		}
	})
	for range 3 {
		d := s.NewDraft()
		d.Write([]byte("x"))
		d.Envelope.Recipients = []spool.Recipient{{Address: "a@b"}}
		if err := s.Commit(&spool.Batch{New: []*spool.Draft{d}}); !errors.Is(err, spool.ErrPoisoned) {
			t.Fatalf("commit: %v", err)
		}
		if !s.Poisoned() {
			t.Fatal("not poisoned")
		}
	}
	s.Close()
	if told != 1 || syncs != 1 {
		t.Fatalf("told %d times, synced %d times", told, syncs)
	}
}

// Open on a disk that fails once either says so or gives a spool that works.
func TestOpenOnFailingDisk(t *testing.T) {
	t.Parallel()
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC} {
		for at := range 30 {
			disk := spooltest.NewDisk()
			disk.Fault = func(op spooltest.Op) error {
				if op.N == at+1 {
					return errno
				}
				return nil
			}
			l := newLedger(disk)
			if !l.open() {
				continue
			}
			poisoned := l.s.Poisoned()
			l.receive(10, 1)
			if poisoned {
				t.Errorf("%v at operation %d: opened a poisoned spool", errno, at+1)
			}
			l.s.Close()
		}
	}
}

// Segments go when they are dead, and the last few messages are moved out of
// those that are nearly so.
func TestRetirement(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{SegmentSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[spool.ID]string{}
	for i := range 400 {
		d := s.NewDraft()
		body := fmt.Sprint(i, strings.Repeat("x", 1000))
		d.Write([]byte(body))
		d.Envelope.Recipients = []spool.Recipient{{Address: "a@b"}}
		if err := s.Commit(&spool.Batch{New: []*spool.Draft{d}}); err != nil {
			t.Fatal(err)
		}
		s.Forget(d.Envelope.ID)
		if i%60 == 0 {
			bodies[d.Envelope.ID] = body
			continue
		}
		if err := s.Commit(&spool.Batch{Outcomes: []spool.Outcome{{ID: d.Envelope.ID, State: spool.Delivered}}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Maintain()
	if segments, _ := filepath.Glob(dir + "/seg-*"); len(segments) > 4 {
		t.Errorf("%d segments before the restart", len(segments))
	}
	s.Close()
	if s, err = spool.Open(dir, spool.Options{SegmentSize: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Maintain()
	segments, _ := filepath.Glob(dir + "/seg-*")
	checkpoints, _ := filepath.Glob(dir + "/checkpoint-*")
	if len(segments) > 4 || len(checkpoints) != 1 {
		t.Fatalf("left: %d segments, %d checkpoints", len(segments), len(checkpoints))
	}
	if st := s.Stats(); st.Live != int64(len(bodies)) || st.DiskBytes > 256<<10 || st.DiskBytes < st.LiveBytes {
		t.Fatalf("stats %+v", st)
	}
	for id, want := range bodies {
		b, err := s.Body(id)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(bytes.Join(b.Buffers(), nil)); got != want {
			t.Fatal("a moved body changed")
		}
		b.Release()
	}
}

// Many at once: receive, read, defer, deliver, while segments roll and go.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{SegmentSize: 128 << 10, LargeBody: 20 << 10, BodyMemory: 64 << 10, DraftMemory: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	left := map[spool.ID]string{}
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for i := range 60 {
				body := strings.Repeat(fmt.Sprint(g, " ", i, "\r\n"), 1+r.IntN(5000))
				d := s.NewDraft()
				d.Write([]byte(body))
				d.Envelope.Recipients = []spool.Recipient{{Address: "a@b"}}
				if err := s.Commit(&spool.Batch{New: []*spool.Draft{d}}); err != nil {
					t.Error(err)
					return
				}
				id := d.Envelope.ID
				if r.IntN(2) == 0 {
					s.Forget(id)
				}
				if err := readBack(s, id, body); err != nil {
					t.Error(err)
				}
				o := spool.Outcome{ID: id, State: spool.Delivered}
				if r.IntN(10) == 0 {
					o.State, o.Attempts = spool.Pending, 1
					mu.Lock()
					left[id] = body
					mu.Unlock()
				}
				if err := s.Commit(&spool.Batch{Outcomes: []spool.Outcome{o}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for id := range left {
		s.Forget(id)
	}
	if n := s.Stats().HeldBytes; n != 0 {
		t.Errorf("%d bytes of bodies leaked", n)
	}
	for range 2 {
		n := 0
		s.Range(func(e *spool.Envelope) bool {
			n++
			if err := readBack(s, e.ID, left[e.ID]); err != nil || e.Recipients[0].Attempts != 1 {
				t.Error(e.ID, err)
			}
			return true
		})
		if n != len(left) {
			t.Errorf("%d messages left, not %d", n, len(left))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); st.Drafts != 0 {
			t.Errorf("%d bytes of drafts leaked", st.Drafts)
		}
		if s, err = spool.Open(dir, spool.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
}

func readBack(s *spool.Spool, id spool.ID, want string) error {
	b, err := s.Body(id)
	if err != nil {
		return err
	}
	defer b.Release()
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil || buf.String() != want {
		return fmt.Errorf("body of %s changed: %v", id, err)
	}
	return nil
}

// Any sequence of commits, maintenance, restarts and cuts keeps every promise.
func TestAnySequence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		disk := spooltest.NewDisk()
		l := newLedger(disk)
		if !l.open() {
			t.Fatal(l.errs)
		}
		states := []spool.State{spool.Pending, spool.Delivered, spool.Failed, spool.Bounced, spool.Discarded}
		pick := func() (id spool.ID, rcpt int) {
			id = rapid.SampledFrom(ordered(l.now)).Draw(t, "message")
			return id, rapid.IntRange(0, len(l.now[id])-1).Draw(t, "recipient")
		}
		t.Repeat(map[string]func(*rapid.T){
			"receive": func(t *rapid.T) {
				l.receive(rapid.SampledFrom([]int{0, 10, 500, 2000, 5000}).Draw(t, "size"), rapid.IntRange(1, 3).Draw(t, "recipients"))
			},
			"outcome": func(t *rapid.T) {
				if len(l.now) > 0 {
					id, rcpt := pick()
					l.outcome(id, rcpt, rapid.SampledFrom(states).Draw(t, "state"))
				}
			},
			"bounce": func(t *rapid.T) {
				if len(l.now) > 0 {
					id, rcpt := pick()
					l.commit(&spool.Batch{New: []*spool.Draft{l.message(300, 1)},
						Outcomes: []spool.Outcome{{ID: id, Rcpt: rcpt, State: spool.Bounced, Attempts: 1}}})
				}
			},
			"maintain": func(*rapid.T) { l.s.Maintain() },
			"restart": func(t *rapid.T) {
				if l.s.Close(); !l.open() {
					t.Fatal(l.errs)
				}
			},
			"cut": func(t *rapid.T) {
				seed := rapid.Uint64().Draw(t, "seed")
				r := rand.New(rand.NewPCG(seed, 0))
				disk.Cut()
				l.s.Close()
				disk = disk.Survivor(func() spooltest.Fate { return spooltest.Fate(r.IntN(3)) }, r)
				l.opt.FS = disk
				if !l.open() {
					t.Fatal(l.errs)
				}
			},
			"": func(t *rapid.T) {
				if err := l.compare(l.s); err != nil || len(l.errs) > 0 {
					t.Fatal(err, l.errs)
				}
			},
		})
		l.s.Close()
	})
}

func ordered(w world) (ids []spool.ID) {
	for id := range w {
		ids = append(ids, id)
	}
	for i := range ids {
		for j := i; j > 0 && ids[j].String() < ids[j-1].String(); j-- {
			ids[j], ids[j-1] = ids[j-1], ids[j]
		}
	}
	return ids
}

// Drafts leave memory for files when the budget for all of them is used up
// (THREATS A10).
func TestDraftsSpill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{DraftMemory: 1 << 20, LargeBody: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var drafts []*spool.Draft
	for range 20 {
		d := s.NewDraft()
		for range 10 {
			if _, err := d.Write(make([]byte, 50<<10)); err != nil {
				t.Fatal(err)
			}
		}
		drafts = append(drafts, d)
	}
	if n := s.Stats().Drafts; n > 4<<20 {
		t.Fatalf("%d bytes of drafts in memory", n)
	}
	for _, d := range drafts {
		d.Discard()
		d.Discard()
	}
	files, _ := os.ReadDir(dir + "/body")
	if n := s.Stats().Drafts; n != 0 || len(files) != 0 {
		t.Fatalf("discarded drafts keep %d bytes and %d files", n, len(files))
	}
}
