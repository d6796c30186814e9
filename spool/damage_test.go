package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mtad/spool"
	"mtad/spool/spooltest"
)

// damageOptions make a few dozen messages fill several segments.
func damageOptions(fs spool.FS) spool.Options {
	return spool.Options{FS: fs, SegmentSize: 8192, LargeBody: 4000}
}

// specimen is a spool with a checkpoint, several segments, small and large
// messages, closed in order. Some of its messages are dead.
func specimen(t *testing.T, dir string, fs spool.FS) (bodies map[spool.ID]string, dead map[spool.ID]bool) {
	bodies, dead = map[spool.ID]string{}, map[spool.ID]bool{}
	s, err := spool.Open(dir, damageOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		d := s.NewDraft()
		body := strings.Repeat(fmt.Sprintf("line %d\r\n", i), 60)
		if i%10 == 0 {
			body = strings.Repeat(body, 12)
		}
		d.Write([]byte(body))
		d.Envelope.Recipients = []spool.Recipient{{Address: "a@example.net"}, {Address: "b@example.net"}}
		if err := s.Commit(&spool.Batch{New: []*spool.Draft{d}}); err != nil {
			t.Fatal(err)
		}
		id := d.Envelope.ID
		bodies[id] = body
		if i%4 == 1 {
			for r := range 2 {
				if err := s.Commit(&spool.Batch{Outcomes: []spool.Outcome{{ID: id, Rcpt: r, State: spool.Delivered}}}); err != nil {
					t.Fatal(err)
				}
			}
			delete(bodies, id)
			dead[id] = true
		}
		if i == 30 {
			s.Maintain()
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return bodies, dead
}

// THREATS A12, DU-20: one bit flips anywhere. Nothing is ever given out
// changed; what is lost is reported; the spool stays up.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	whole := spooltest.NewDisk()
	bodies, dead := specimen(t, dir, whole)
	files := whole.Files()
	delete(files, dir+"/reserve")
	maps.DeleteFunc(files, func(_ string, size int64) bool { return size == 0 })
	names := slices.Sorted(maps.Keys(files))
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]int{}
	for i := range 500 {
		disk := whole.Survivor(spooltest.KeepAll, nil)
		name := names[i%len(names)]
		at, bit := r.Int64N(files[name]), byte(1)<<r.IntN(8)
		disk.Flip(name, at, bit)
		found, err := examine(dir, disk, bodies, dead)
		if err != nil {
			t.Fatalf("flip of bit %#x at %d of %s: %v", bit, at, name, err)
		}
		seen[fmt.Sprintf("%.6s: %s", strings.TrimPrefix(name, dir+"/"), found)]++
	}
	t.Log(seen)
}

// examine opens a damaged spool. What it reports may be lost or, if it is the
// record of an outcome, come again; all else must be as it was.
func examine(dir string, fs spool.FS, bodies map[spool.ID]string, dead map[spool.ID]bool) (found string, err error) {
	var reports atomic.Int64 // the keeper reports too
	opt := damageOptions(fs)
	opt.Report = func(e spool.Event) {
		if e.Kind == "broken" {
			reports.Add(1)
		}
	}
	s, err := spool.Open(dir, opt)
	if errors.Is(err, spool.ErrVersion) {
		return "refused", nil
	}
	if err != nil {
		return "", err
	}
	defer s.Close()
	there := 0
	s.Range(func(e *spool.Envelope) bool {
		want, ok := bodies[e.ID]
		if !ok && !dead[e.ID] {
			err = fmt.Errorf("invented %s", e.ID)
			return false
		}
		b, berr := s.Body(e.ID)
		if berr == nil {
			var buf bytes.Buffer
			_, berr = b.WriteTo(&buf)
			b.Release()
			if berr == nil && ok && buf.String() != want {
				err = fmt.Errorf("%s was given out changed", e.ID)
			}
		}
		if berr == nil && ok {
			there++
		}
		if berr != nil && !errors.Is(berr, spool.ErrBroken) {
			err = berr
		}
		return err == nil
	})
	if err != nil {
		return "", err
	}
	lost := len(bodies) - there
	if lost > 0 && reports.Load() == 0 {
		return "", fmt.Errorf("%d messages lost without a word", lost)
	}
	if lost > 1 {
		return "", fmt.Errorf("one flip cost %d messages", lost)
	}
	return fmt.Sprintf("lost %d reported %d", lost, min(reports.Load(), 1)), nil
}

// THREATS DU-18.
func TestOneDaemonASpool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := spool.Open(dir, spool.Options{}); !errors.Is(err, spool.ErrLocked) {
		t.Fatalf("second Open: %v", err)
	}
	s.Close()
	if s, err = spool.Open(dir, spool.Options{}); err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	s.Close()
}

// THREATS LP-02, DU-19, A15.
func TestRefusedFolders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(dir string)
		want    string
	}{
		"others can write": {func(d string) { os.Chmod(d, 0o777) }, "chmod 700"},
		"newer version":    {func(d string) { os.WriteFile(d+"/VERSION", []byte("mtad spool 2\n"), 0o600) }, "unknown format version"},
		"version lost":     {func(d string) { os.WriteFile(d+"/seg-0000000001", nil, 0o600) }, "is missing"},
		"lock is a link":   {func(d string) { os.Symlink(d+"/elsewhere", d+"/lock") }, "symbolic links"},
		"a file":           {func(d string) { os.Remove(d); os.WriteFile(d, nil, 0o600) }, "not a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/spool"
			os.Mkdir(dir, 0o700)
			c.prepare(dir)
			s, err := spool.Open(dir, spool.Options{})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if _, err := os.Stat(dir + "/elsewhere"); err == nil {
				t.Fatal("a link was followed")
			}
		})
	}
}

// THREATS DU-21, LP-03: what is not the spool's is left alone and reported.
func TestStrayFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/s"
	bodies, dead := specimen(t, dir, nil)
	secret := t.TempDir() + "/secret"
	os.WriteFile(secret, []byte("secret"), 0o600)
	os.WriteFile(dir+"/seg-0000000999", nil, 0o600)         // zero length: a segment never begun
	os.WriteFile(dir+"/seg-1", []byte("x"), 0o600)          // not a segment's name
	os.Mkdir(dir+"/seg-0000000998", 0o700)                  // a folder in place of a file
	os.Symlink(secret, dir+"/seg-0000000997")               // a link
	os.Symlink(secret, dir+"/checkpoint-0000000997")        // another
	os.WriteFile(dir+"/body/../body/x", []byte("x"), 0o600) // not a body's name
	var mu sync.Mutex
	var stray []string
	s, err := spool.Open(dir, spool.Options{Report: func(e spool.Event) {
		if e.Kind == "stray" {
			mu.Lock()
			stray = append(stray, e.Text)
			mu.Unlock()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if len(stray) != 1 || !strings.Contains(stray[0], "5 files") {
		t.Fatalf("reported %q", stray)
	}
	if found, err := examine(dir, nil, bodies, dead); err != nil || found != "lost 0 reported 0" {
		t.Fatal(found, err)
	}
	if b, _ := os.ReadFile(secret); string(b) != "secret" {
		t.Fatal("a link was followed")
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Fatal(st.Mode(), err)
	}
}

// A message whose bytes are gone is set aside; the others stay.
func TestMissingFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/s"
	bodies, _ := specimen(t, dir, nil)
	files, _ := os.ReadDir(dir + "/body")
	gone, _ := spool.ParseID(files[0].Name())
	os.Remove(dir + "/body/" + files[0].Name())
	opt := damageOptions(nil)
	var told atomic.Int64
	opt.Report = func(e spool.Event) {
		if e.Kind == "broken" && e.ID == gone {
			told.Add(1)
		}
	}
	for range 2 {
		s, err := spool.Open(dir, opt)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Body(gone); !errors.Is(err, spool.ErrUnknown) {
			t.Errorf("body of a message that was set aside: %v", err)
		}
		if n := s.Stats().Live; n != int64(len(bodies)-1) {
			t.Errorf("%d messages of %d are left", n, len(bodies))
		}
		s.Close()
	}
	if told.Load() != 1 {
		t.Errorf("told %d times", told.Load())
	}
	if _, err := os.Stat(dir + "/broken/" + gone.String() + ".json"); err != nil {
		t.Error(err)
	}
}
