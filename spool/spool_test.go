package spool

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// open opens a spool for a test; broken things are errors unless the options
// take the events themselves.
func open(t testing.TB, dir string, opt Options) *Spool {
	t.Helper()
	if opt.Report == nil {
		opt.Report = func(e Event) {
			if e.Kind != "stray" {
				t.Errorf("event %s %s: %s", e.Kind, e.ID, e.Text)
			}
		}
	}
	s, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func draft(s *Spool, body string, rcpts ...string) *Draft {
	d := s.NewDraft()
	d.Header = []byte("Received: by test\r\n")
	d.Write([]byte(body))
	d.Envelope.Sender = "a@example.net"
	for _, r := range rcpts {
		d.Envelope.Recipients = append(d.Envelope.Recipients, Recipient{Address: r})
	}
	return d
}

func commitNew(t testing.TB, s *Spool, body string, rcpts ...string) ID {
	t.Helper()
	d := draft(s, body, rcpts...)
	if err := s.Commit(&Batch{New: []*Draft{d}}); err != nil {
		t.Fatal(err)
	}
	return d.Envelope.ID
}

func bodyOf(t testing.TB, s *Spool, id ID) string {
	t.Helper()
	b, err := s.Body(id)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	var buf bytes.Buffer
	if n, err := b.WriteTo(&buf); err != nil || n != b.Len() {
		t.Fatalf("wrote %d of %d bytes: %v", n, b.Len(), err)
	}
	return strings.TrimPrefix(buf.String(), "Received: by test\r\n")
}

func live(s *Spool) (ids []ID) {
	s.Range(func(e *Envelope) bool { ids = append(ids, e.ID); return true })
	return ids
}

// full has every field set.
func fullEnvelope() *Envelope {
	return &Envelope{
		Received: time.Unix(1700000000, 123456789), Sender: "s@example.net",
		Recipients: []Recipient{
			{Address: "a@example.com", Notify: NotifyFailure | NotifyDelay, Orcpt: "rfc822;a+40example.com"},
			{Address: `"b c"@example.com`, State: Failed, Attempts: 3, FirstFail: time.Unix(1700000001, 1), LastTry: time.Unix(1700000002, 2), LastError: "550 no"},
		},
		EnvID: "env+2B", Ret: RetHdrs, EightBit: true, Size: 12345,
		ClientAddr: netip.MustParseAddrPort("[2001:db8::1]:25"), ClientName: "c.example.net", Helo: "helo",
		Protocol: "esmtpsa", AuthID: "user", MessageID: "x@y", Frozen: true,
	}
}

func TestEnvelopeSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "spool")
	s := open(t, dir, Options{})
	d := s.NewDraft()
	d.Envelope = fullEnvelope()
	d.Write([]byte("hello\r\n"))
	if err := s.Commit(&Batch{New: []*Draft{d}, Hosts: []HostFact{{"h", []byte("v")}, {"gone", nil}}}); err != nil {
		t.Fatal(err)
	}
	id := d.Envelope.ID
	want := fullEnvelope()
	want.ID, want.WireSize = id, 7
	check := func(s *Spool) {
		t.Helper()
		got, err := s.Envelope(id)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("envelope %+v, %v\nwant %+v", got, err, want)
		}
		var facts []HostFact
		s.HostFacts(func(h HostFact) bool { facts = append(facts, h); return true })
		if !reflect.DeepEqual(facts, []HostFact{{"h", []byte("v")}}) {
			t.Fatalf("host facts %v", facts)
		}
	}
	check(s)
	s.Close()
	s = open(t, dir, Options{})
	check(s)
	if got := bodyOf(t, s, id); got != "hello\r\n" {
		t.Fatalf("body %q", got)
	}
	if next := s.NextID(); next.String() <= id.String() {
		t.Fatalf("id %s given out after %s", next, id)
	}
	if err := s.Commit(&Batch{Freezes: []Freeze{{id, false}}, Hosts: []HostFact{{"h", nil}}}); err != nil {
		t.Fatal(err)
	}
	if e, _ := s.Envelope(id); e.Frozen {
		t.Fatal("still frozen")
	}
}

func TestFinalMessageLeaves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{})
	id := commitNew(t, s, "x", "a@b", "c@d")
	keep := commitNew(t, s, "y", "a@b")
	for i, state := range []State{Delivered, Bounced} {
		if err := s.Commit(&Batch{Outcomes: []Outcome{{ID: id, Rcpt: i, State: state}}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := s.Envelope(id); !errors.Is(err, ErrUnknown) {
			t.Fatalf("after its last outcome: %v", err)
		}
		if _, err := s.Body(id); !errors.Is(err, ErrUnknown) {
			t.Fatalf("body after its last outcome: %v", err)
		}
		if err := s.Commit(&Batch{Outcomes: []Outcome{{ID: id}}}); !errors.Is(err, ErrUnknown) {
			t.Fatalf("outcome after its last: %v", err)
		}
		if got := live(s); len(got) != 1 || got[0] != keep {
			t.Fatalf("live: %v", got)
		}
		s.Close()
		s = open(t, dir, Options{})
	}
}

func TestLargeBodyHasAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{LargeBody: 256 << 10})
	for _, size := range []int{0, 1, smallChunk, smallChunk + 1, 256 << 10, 256<<10 + 1, 3 << 20} {
		body := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
		d := draft(s, body+"tail to be cut", "a@b")
		if err := d.Truncate(int64(size)); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(&Batch{New: []*Draft{d}}); err != nil {
			t.Fatal(err)
		}
		d.Discard()
		id := d.Envelope.ID
		for range 3 { // from memory, from the log, after a restart
			if got := bodyOf(t, s, id); got != body {
				t.Fatalf("%d bytes came back as %d, or changed", size, len(got))
			}
			s.Forget(id)
		}
		s.Close()
		s = open(t, dir, Options{LargeBody: 256 << 10})
		if got := bodyOf(t, s, id); got != body {
			t.Fatalf("%d bytes came back as %d, or changed", size, len(got))
		}
		files, _ := s.fs.ReadDir(s.path(bodyFolder))
		if large := size+len("tail to be cut") > 256<<10; large != (len(files) == 1) {
			t.Fatalf("%d bytes: %d files", size, len(files))
		}
		if err := s.Commit(&Batch{Outcomes: []Outcome{{ID: id, State: Delivered}}}); err != nil {
			t.Fatal(err)
		}
		if files, _ = s.fs.ReadDir(s.path(bodyFolder)); len(files) != 0 {
			t.Fatalf("file left: %v", files)
		}
	}
}

// A damaged frame header costs none of the messages behind it.
func TestDamagedFrameHeader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{})
	off := s.seg.size
	var group []*commit
	for range 3 {
		c, err := s.prepare(&Batch{New: []*Draft{draft(s, "hello\r\n", "a@b")}})
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, c)
	}
	s.writeGroup(group)
	ids := live(s)
	name := s.segmentPath(s.seg.number)
	s.Close()
	raw, _ := os.ReadFile(name)
	raw[off+30] ^= 4
	os.WriteFile(name, raw, 0o600)
	told := 0
	s = open(t, dir, Options{Report: func(e Event) {
		if e.Kind == "recovered" {
			told++
		}
	}})
	if got := live(s); len(ids) != 3 || !slices.Equal(got, ids) || told != 1 {
		t.Fatalf("%v of %v are left, told %d times", got, ids, told)
	}
	for _, id := range ids {
		if got := bodyOf(t, s, id); got != "hello\r\n" {
			t.Fatalf("body %q", got)
		}
	}
}
