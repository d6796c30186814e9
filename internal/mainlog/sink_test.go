package mainlog

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A disk that hangs: nobody waits, what does not fit is counted, and the count
// is told when it works again.
func TestHungDiskBlocksNobody(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(Options{Path: "stderr", Stderr: w, Buffer: 8 << 10, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	before := droppedTotal.Get()
	const lines = 5000 // a pipe takes 64 KiB
	for i := range lines {
		l.Notice(fmt.Sprintf("line %04d of some length, so that the pipe is full before the end", i))
		if i%50 == 0 {
			l.Flush(time.Millisecond)
		}
	}
	if droppedTotal.Get() == before {
		t.Fatal("nothing was dropped: the test does not test")
	}
	got := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		got <- string(b)
	}()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	text := <-got
	written, told := strings.Count(text, " line "), 0
	for _, m := range regexp.MustCompile(`(\d+) log lines were lost`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		told += n
	}
	if written+told != lines {
		t.Errorf("%d lines written and %d told as lost of %d", written, told, lines)
	}
}

// A full disk: the sink goes on by itself when there is room, here by Reopen,
// and the line that was cut comes whole.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	path := filepath.Join(t.TempDir(), "mainlog")
	s := newSink(full, path, 64, func(b []byte, n uint64) []byte { return fmt.Appendf(b, "lost %d\n", n) })
	go s.write()
	s.append([]byte("one\n"))
	if err := s.flush(time.After(50 * time.Millisecond)); err == nil {
		t.Fatal("a full disk took a line")
	}
	s.append([]byte("two\n"))
	s.append([]byte(strings.Repeat("x", 61) + "\n"))
	if err := s.reopen(); err != nil {
		t.Fatal(err)
	}
	if err := s.close(time.After(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "one\ntwo\nlost 1\n" {
		t.Errorf("got %q", got)
	}
}

// A line that was cut in one file stands whole in the file that takes its place.
func TestCutLine(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "mainlog")
	s := newSink(w, path, 1<<20, nil)
	want := ""
	for i := range 1000 {
		line := fmt.Sprintf("%99d\n", i)
		want += line
		s.append([]byte(line))
	}
	go s.write()
	old := make([]byte, 1)
	if _, err := r.Read(old); err != nil { // now the pipe is as full as it gets
		t.Fatal(err)
	}
	w.SetWriteDeadline(time.Now()) // the write ends with a part, as on a full disk
	if err := s.reopen(); err != nil {
		t.Fatal(err)
	}
	if err := s.close(time.After(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(r)
	old = append(old, rest...)
	whole := old[:1+bytes.LastIndexByte(old, '\n')]
	if len(whole) == len(old) {
		t.Fatal("no line was cut: the test does not test")
	}
	if got := string(whole) + read(t, path); got != want {
		t.Errorf("%d bytes in the old file, %d in all, want %d", len(old), len(got), len(want))
	}
}

func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	r, w, _ := os.Pipe()
	defer r.Close()
	s := newSink(w, "", 1<<20, nil)
	go s.write()
	s.append(make([]byte, 1<<18)) // more than a pipe takes
	if err := s.close(time.After(20 * time.Millisecond)); err != errSlow {
		t.Errorf("got %v", err)
	}
	r.Close()
	<-s.done
}

// Rotation by renaming loses and repeats no line.
func TestRotation(t *testing.T) {
	t.Parallel()
	l, dir := open(t, Options{})
	const writers, lines = 4, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				l.Notice(fmt.Sprintf("w%d-%d.", w, i))
			}
		})
	}
	for i := range 5 {
		if err := os.Rename(dir+"/mainlog", fmt.Sprintf("%s/mainlog.%d", dir, i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		l.Flush(time.Second)
	}
	wg.Wait()
	l.Close()
	files, _ := filepath.Glob(dir + "/mainlog*")
	all := ""
	for _, f := range files {
		all += read(t, f)
	}
	if len(files) != 6 {
		t.Errorf("%d files, want 6", len(files))
	}
	for w := range writers {
		for i := range lines {
			if n := strings.Count(all, fmt.Sprintf(" w%d-%d.\n", w, i)); n != 1 {
				t.Fatalf("line w%d-%d stands there %d times", w, i, n)
			}
		}
	}
}

func TestReopenKeepsTheOldFileWhereItMust(t *testing.T) {
	t.Parallel()
	l, dir := open(t, Options{})
	if err := os.Rename(dir+"/mainlog", dir+"/old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/mainlog", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("a folder was opened as a log file")
	}
	l.Notice("still here")
	l.Close()
	if got := read(t, dir+"/old"); !strings.Contains(got, "still here") {
		t.Errorf("got %q", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("/dev/null", dir+"/linkmainlog"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, format, want string }{
		{dir + "/link%slog", "", "symbolic link"},
		{dir + "/nolog", "", "%s once"},
		{dir + "/%s%s", "", "%s once"},
		{dir + "/%slog", "xml", `"xml" is neither`},
		{"/dev/null/%slog", "", "cannot make the log folder"},
	} {
		l, err := Open(Options{Path: test.path, Format: test.format})
		if err == nil {
			l.Close()
			t.Errorf("%s: opened", test.path)
		} else if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q does not say %q", test.path, err, test.want)
		}
	}
}

func TestFilesAreNotForEverybody(t *testing.T) {
	t.Parallel()
	l, dir := open(t, Options{})
	l.Close()
	for _, name := range []string{"mainlog", "rejectlog", "paniclog"} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm()&0o027 != 0 {
			t.Errorf("%s has mode %v", name, st.Mode())
		}
	}
}

// A panic is in the panic log, the main log, and on standard error.
func TestPanicIsSeen(t *testing.T) {
	t.Parallel()
	errFile, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer errFile.Close()
	l, dir := open(t, Options{Stderr: errFile})
	l.Panic("spool is poisoned", nil)
	l.Close()
	want := "2026-11-23 12:00:00 spool is poisoned\n"
	for _, path := range []string{errFile.Name(), dir + "/paniclog", dir + "/mainlog"} {
		if got := read(t, path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// DO-12: a flood is held to a rate; the rest is one line.
func TestFlood(t *testing.T) {
	t.Parallel()
	l, dir := open(t, Options{FloodRate: 10})
	for range 1000 {
		l.Rejected(Rejection{Stage: StageRcpt, Text: "no"})
	}
	l.ConnectionRefused(Client{}, "other kinds are not held up")
	l.Close()
	for _, file := range []string{"/mainlog", "/rejectlog"} {
		got := read(t, dir+file)
		if n := strings.Count(got, "\n"); n != 12 {
			t.Errorf("%s: %d lines, want 12", file, n)
		}
		if !strings.Contains(got, " 990 similar lines suppressed: rejected\n") {
			t.Errorf("%s does not tell what was suppressed:\n%s", file, got)
		}
	}
}

func TestFloodEndsWithItsSecond(t *testing.T) {
	t.Parallel()
	now := noon
	l, dir := open(t, Options{FloodRate: 1, Now: func() time.Time { return now }})
	for range 3 {
		l.NoHostName(Client{})
		now = now.Add(time.Second)
	}
	l.Close()
	if got := read(t, dir+"/mainlog"); strings.Count(got, "no host name") != 3 {
		t.Errorf("got %s", got)
	}
}

func BenchmarkDelivered(b *testing.B) {
	for _, format := range []string{"exim", "json"} {
		b.Run(format, func(b *testing.B) {
			l, _ := open(b, Options{Format: format, Now: time.Now})
			d := Delivery{ID: testID("1vNDqi-0000Gx-2A"), First: true, Address: "somebody@y.example", Router: "smarthost", Transport: "smtp",
				Host: Host{"mx.y.example", "192.0.2.9"}, TLS: TLS{Cipher: "TLSv1.3:TLS_AES_128_GCM_SHA256:128"},
				Reply: "250 2.0.0 OK: queued as 4XyZ"}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l.Delivered(d)
				}
			})
		})
	}
}
