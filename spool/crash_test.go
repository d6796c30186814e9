package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"mtad/spool"
	"mtad/spool/spooltest"
)

// world is what a spool holds: the states of the recipients of each live message, and behind
// them where they were sent.
type world map[spool.ID]string

// ledger commits, remembers what was promised, and judges what a crash left.
type ledger struct {
	s      *spool.Spool
	opt    spool.Options
	disk   *spooltest.Disk
	now    world  // what was promised
	maybe  *world // what a commit without an answer would make of it
	bodies map[spool.ID]string
	taken  map[spool.ID]bool // ids of messages that were in the spool
	errs   []error

	write func(*spool.Spool, *spool.Batch) error // Commit, or a mutant of it
}

const dir = "/spool"

func newLedger(disk *spooltest.Disk) *ledger {
	return &ledger{
		write: (*spool.Spool).Commit,
		disk:  disk, now: world{}, bodies: map[spool.ID]string{}, taken: map[spool.ID]bool{},
		opt: spool.Options{FS: disk, SegmentSize: 4096, LargeBody: 3000},
	}
}

func (l *ledger) open() bool {
	s, err := spool.Open(dir, l.opt)
	if err != nil {
		l.errs = append(l.errs, err)
		return false
	}
	l.s = s
	return true
}

func (l *ledger) message(size, rcpts int) *spool.Draft {
	d := l.s.NewDraft()
	d.Envelope.ID = l.s.NextID()
	d.Header = []byte("Received: x\r\n")
	body := strings.Repeat(d.Envelope.ID.String(), size/16+1)[:size]
	l.bodies[d.Envelope.ID] = string(d.Header) + body
	d.Write([]byte(body))
	for i := range rcpts {
		d.Envelope.Recipients = append(d.Envelope.Recipients, spool.Recipient{Address: fmt.Sprintf("r%d@example.net", i)})
	}
	return d
}

// receive commits one new message.
func (l *ledger) receive(size, rcpts int) spool.ID {
	d := l.message(size, rcpts)
	l.commit(&spool.Batch{New: []*spool.Draft{d}})
	return d.Envelope.ID
}

func (l *ledger) outcome(id spool.ID, rcpt int, state spool.State) {
	l.commit(&spool.Batch{Outcomes: []spool.Outcome{{ID: id, Rcpt: rcpt, State: state, Attempts: 1, Error: "why"}}})
}

// reroute sends a recipient of a message somewhere.
func (l *ledger) reroute(id spool.ID, rcpt int, to string) {
	l.commit(&spool.Batch{Reroutes: []spool.Reroute{{ID: id, Rcpt: rcpt, To: to}}})
}

// commit promises what Commit promised.
func (l *ledger) commit(b *spool.Batch) {
	for _, o := range b.Outcomes {
		if l.now[o.ID] == "" {
			return // its message was never accepted
		}
	}
	for _, r := range b.Reroutes {
		if l.now[r.ID] == "" {
			return
		}
	}
	next := maps.Clone(l.now)
	for _, r := range b.Reroutes {
		next[r.ID], _, _ = strings.Cut(next[r.ID], " ")
		next[r.ID] += route(r.Rcpt, r.To)
	}
	for _, d := range b.New {
		next[d.Envelope.ID] = strings.Repeat("P", len(d.Envelope.Recipients))
	}
	for _, o := range b.Outcomes {
		st := []byte(next[o.ID])
		st[o.Rcpt] = letter(o.State, 1)
		next[o.ID] = string(st)
		if !strings.ContainsAny(next[o.ID], "PDF") {
			delete(next, o.ID)
		}
	}
	err := l.write(l.s, b)
	for _, d := range b.New {
		defer d.Discard()
	}
	if err == nil {
		for _, d := range b.New {
			l.taken[d.Envelope.ID] = true
		}
	}
	switch {
	case err == nil:
		l.now = next
	default:
		l.errs = append(l.errs, err)
		if l.maybe == nil && (errors.Is(err, spool.ErrPoisoned) || errors.Is(err, spooltest.ErrPower)) {
			l.maybe = &next
		}
	}
}

// route is what stands behind the states; in tests one recipient of a message has one.
func route(rcpt int, to string) string {
	if to == "" {
		return ""
	}
	return fmt.Sprint(" ", rcpt, to)
}

// letter: Pending, Deferred, Failed; small ones are final.
func letter(s spool.State, attempts int) byte {
	switch {
	case s == spool.Pending && attempts > 0:
		return 'D'
	case s == spool.Failed:
		return 'F'
	case s.Final():
		return 'd'
	}
	return 'P'
}

// judge opens what a crash left and compares. It returns what is wrong.
func (l *ledger) judge(disk *spooltest.Disk) error {
	var mu sync.Mutex
	var events []string
	opt := l.opt
	opt.FS = disk
	opt.Report = func(e spool.Event) {
		if e.Kind != "recovered" {
			mu.Lock()
			events = append(events, e.Text)
			mu.Unlock()
		}
	}
	for range 2 {
		s, err := spool.Open(dir, opt)
		if err != nil {
			return err
		}
		err = errors.Join(l.compare(s), l.bodyFiles(disk, s))
		s.Maintain()
		err = errors.Join(err, l.compare(s))
		d := s.NewDraft()
		d.Write([]byte("one more"))
		d.Envelope.Recipients = []spool.Recipient{{Address: "a@b"}}
		err = errors.Join(err, s.Commit(&spool.Batch{New: []*spool.Draft{d}}))
		id := d.Envelope.ID
		if l.taken[id] {
			err = errors.Join(err, fmt.Errorf("id %s given out twice", id))
		}
		err = errors.Join(err, s.Commit(&spool.Batch{Outcomes: []spool.Outcome{{ID: id, State: spool.Delivered}}}), s.Close())
		if err != nil {
			return err
		}
	}
	if len(events) > 0 {
		return fmt.Errorf("a crash was taken for damage: %q", events)
	}
	return nil
}

// resolve looks what became of a commit that had no answer.
func (l *ledger) resolve() {
	if l.maybe == nil {
		return
	}
	if maps.Equal(contents(l.s), *l.maybe) {
		l.now = *l.maybe
	}
	l.maybe = nil
}

func contents(s *spool.Spool) world {
	got := world{}
	s.Range(func(e *spool.Envelope) bool {
		for _, r := range e.Recipients {
			got[e.ID] += string(letter(r.State, r.Attempts))
		}
		for i, r := range e.Recipients {
			got[e.ID] += route(i, r.Route)
		}
		return true
	})
	return got
}

func (l *ledger) compare(s *spool.Spool) error {
	got := contents(s)
	if !maps.Equal(got, l.now) && (l.maybe == nil || !maps.Equal(got, *l.maybe)) {
		return fmt.Errorf("found    %v\npromised %v\nor       %v", got, l.now, l.maybe)
	}
	for id := range got {
		b, err := s.Body(id)
		if err != nil {
			return fmt.Errorf("body of %s: %w", id, err)
		}
		var buf bytes.Buffer
		_, err = b.WriteTo(&buf)
		b.Release()
		if err != nil || buf.String() != l.bodies[id] {
			return fmt.Errorf("body of %s changed: %v", id, err)
		}
	}
	return nil
}

// bodyFiles wants no file in body/ but those of large live messages.
func (l *ledger) bodyFiles(disk *spooltest.Disk, s *spool.Spool) error {
	files, err := disk.ReadDir(dir + "/body")
	for _, f := range files {
		id, _ := spool.ParseID(f.Name)
		if _, unknown := s.Envelope(id); unknown != nil {
			return fmt.Errorf("orphan %s", f.Name)
		}
	}
	return err
}

// life is all that happens to messages. It goes on after errors, as a daemon would.
func (l *ledger) life() {
	if !l.open() {
		return
	}
	first := l.receive(100, 1)
	three := l.receive(300, 3)
	large := l.receive(5000, 1)
	l.outcome(first, 0, spool.Pending)
	l.outcome(three, 0, spool.Delivered)
	l.outcome(three, 1, spool.Failed)
	l.reroute(three, 2, "hosts=x")
	l.reroute(first, 0, "router=y")
	l.commit(&spool.Batch{
		New:      []*spool.Draft{l.message(200, 1), l.message(4000, 1)},
		Outcomes: []spool.Outcome{{ID: three, Rcpt: 1, State: spool.Bounced, Attempts: 1}},
	})
	var many []spool.ID
	for range 12 {
		many = append(many, l.receive(500, 1))
	}
	l.s.Maintain()
	for _, id := range many {
		l.outcome(id, 0, spool.Delivered)
	}
	for range 8 {
		l.outcome(l.receive(600, 1), 0, spool.Delivered)
	}
	l.s.Maintain()
	l.outcome(large, 0, spool.Delivered)
	if l.s.Close(); !l.open() {
		return
	}
	l.resolve()
	l.receive(700, 2)
	l.reroute(first, 0, "")
	l.outcome(three, 2, spool.Delivered)
	l.s.Maintain()
	l.outcome(first, 0, spool.Delivered)
	l.s.Close()
}

// lifetime is how many operations a life takes at most, and a few.
func lifetime(t testing.TB) int {
	disk := spooltest.NewDisk()
	l := newLedger(disk)
	l.life()
	if len(l.errs) > 0 {
		t.Fatal(l.errs)
	}
	if err := l.judge(disk); err != nil {
		t.Fatal(err)
	}
	t.Logf("a life is %d operations", disk.Ops())
	return disk.Ops() + 5
}

// fates are several ways in which a disk can be after a cut.
func fates(seed int) map[string]func(*spooltest.Disk) *spooltest.Disk {
	keep := func(k spooltest.Keep, r *rand.Rand) func(*spooltest.Disk) *spooltest.Disk {
		return func(d *spooltest.Disk) *spooltest.Disk { return d.Survivor(k, r) }
	}
	m := map[string]func(*spooltest.Disk) *spooltest.Disk{
		"nothing": keep(spooltest.KeepNothing, nil),
		"all":     keep(spooltest.KeepAll, nil),
	}
	for i := range 4 {
		r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
		m[fmt.Sprint("random ", i)] = keep(func() spooltest.Fate { return spooltest.Fate(r.IntN(3)) }, r)
	}
	return m
}

// violations cuts the power before each operation of a life on such a disk, and
// counts what does not hold afterwards; without verbose a dozen are enough.
func violations(t testing.TB, make func() *ledger, verbose bool) (n int) {
	for at := range lifetime(t) {
		if !verbose && n > 12 {
			break
		}
		l := make()
		disk := l.disk
		disk.StopAt = at + 1
		l.life()
		disk.Cut()
		for _, name := range slices.Sorted(maps.Keys(fates(at))) {
			if err := l.judge(fates(at)[name](disk)); err != nil {
				if n++; verbose {
					t.Errorf("cut before operation %d, %s survives: %v", at+1, name, err)
				}
			}
		}
	}
	return n
}

// THREATS A3: power may fail between any two operations (DU-04, DU-05).
func TestPowerCutAnywhere(t *testing.T) {
	t.Parallel()
	violations(t, func() *ledger { return newLedger(spooltest.NewDisk()) }, true)
}

// The model proves itself: a spool that does not sync is found out (THREATS M1, M2, M3),
// and so is a bounce that is not one commit with the failure it reports (DU-09).
func TestModelFindsMutants(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(*ledger){
		"no fsync of files":       func(l *ledger) { l.disk.NoDatasync = true },
		"no fsync of folders":     func(l *ledger) { l.disk.NoSyncDir = true },
		"answer before the sync":  func(l *ledger) { l.disk.LateSync = true },
		"a bounce in two commits": func(l *ledger) { l.write = inTwo },
	} {
		n := violations(t, func() *ledger { l := newLedger(spooltest.NewDisk()); lie(l); return l }, false)
		t.Logf("%s: found %d times", name, n)
		if n == 0 {
			t.Errorf("%s was not found", name)
		}
	}
}

// inTwo commits new messages before the outcomes that they report.
func inTwo(s *spool.Spool, b *spool.Batch) error {
	if err := s.Commit(&spool.Batch{New: b.New}); err != nil {
		return err
	}
	return s.Commit(&spool.Batch{Outcomes: b.Outcomes})
}

// THREATS A4, A5: an operation fails, once; what is promised must be durable
// at that very moment, what is refused must not have happened (DU-07).
func TestFailureAnywhere(t *testing.T) {
	t.Parallel()
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC} {
		for at := range 2 * lifetime(t) {
			disk := spooltest.NewDisk()
			if at%2 == 1 {
				disk.StopAt = at/2 + 4 // while it is still being dealt with
			}
			at /= 2
			hit := ""
			disk.Fault = func(op spooltest.Op) error {
				if op.N != at+1 {
					return nil
				}
				hit = op.Kind + " " + op.Name
				return errno
			}
			l := newLedger(disk)
			l.life()
			disk.Cut()
			for _, name := range []string{"nothing", "all", "random 1", "random 2"} {
				if err := l.judge(fates(at)[name](disk)); err != nil {
					t.Errorf("%v at operation %d (%s), then a cut, %s survives: %v\nerrors %v", errno, at+1, hit, name, err, l.errs)
				}
			}
		}
	}
}
