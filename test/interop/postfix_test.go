//go:build interop

package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtad/test/interop/peer"
)

// TestSourceToSink sends 20,000 messages of 10 KB in 20 sessions from Postfix's
// smtp-source through mtad to its smtp-sink: all arrive, once, unchanged.
func TestSourceToSink(t *testing.T) {
	const messages, sessions, size = 20000, 20, 10240
	dir := tempDir(t)
	bin, err := peer.BuildMtad(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	want := sampleBody(t, size)
	next, dumps, sink := dumpingSink(t, dir)
	defer sink.Kill()
	config := peer.MtadConfig{NextHop: next}
	mtad, err := peer.StartMtad(bin, dir, &config)
	if err != nil {
		t.Fatal(err)
	}
	defer mtad.Kill()
	start := time.Now()
	source(t, mtad.Addr, messages, sessions, size)
	accepted := time.Since(start)
	await(t, sink, messages, time.Minute)
	t.Logf("accepted in %v, delivered in %v", accepted, time.Since(start))
	if err := mtad.Stop(30 * time.Second); err != nil {
		t.Errorf("mtad ended badly: %v\n%s", err, mtad.Output())
	}
	seen := map[string]bool{}
	for _, file := range files(t, dumps) {
		id, body := parse(t, file)
		if seen[id] {
			t.Errorf("message %s came twice", id)
		}
		seen[id] = true
		if body != want {
			t.Fatalf("%s has another body than was sent", file)
		}
	}
	if len(seen) != messages {
		t.Errorf("%d messages, want %d", len(seen), messages)
	}
}

func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := peer.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// dumpingSink starts an smtp-sink that writes each message to a file.
func dumpingSink(t *testing.T, dir string) (addr, dumps string, sink *peer.Child) {
	t.Helper()
	dumps, err := os.MkdirTemp(dir, "dump")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dumps, 0o777); err != nil { // smtp-sink gives up root
		t.Fatal(err)
	}
	if addr, err = peer.FreeAddr(); err != nil {
		t.Fatal(err)
	}
	if sink, err = peer.SMTPSink(dir, addr, "-c", "-R", dumps, "-d", "message."); err != nil {
		t.Fatal(err)
	}
	return addr, dumps, sink
}

func source(t *testing.T, addr string, messages, sessions, size int) {
	t.Helper()
	err := peer.SMTPSource(addr, "-s", strconv.Itoa(sessions), "-m", strconv.Itoa(messages), "-l", strconv.Itoa(size),
		"-f", "from@source.test", "-t", "to@sink.test")
	if err != nil {
		t.Fatal(err)
	}
}

// await waits until smtp-sink has counted so many messages; more are a fault
// that counting the files shows.
func await(t *testing.T, sink *peer.Child, messages int, patience time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out := sink.Output()
		if strings.Contains(out, fmt.Sprintf("mesg=%d", messages)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("smtp-sink has not got %d messages: %s", messages, out[max(0, len(out)-100):])
		}
	}
}

// sampleBody is the body of one message straight from source to sink.
func sampleBody(t *testing.T, size int) [32]byte {
	t.Helper()
	addr, dumps, sink := dumpingSink(t, tempDir(t))
	defer sink.Kill()
	source(t, addr, 1, 1, size)
	await(t, sink, 1, 10*time.Second)
	list := files(t, dumps)
	if len(list) != 1 {
		t.Fatalf("%d files for one message", len(list))
	}
	_, body := parse(t, list[0])
	return body
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "message.*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// parse returns the Message-Id, which smtp-source makes unique, and the hash
// of the body of a message that smtp-sink wrote.
func parse(t *testing.T, file string) (id string, body [32]byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, text, found := bytes.Cut(b, []byte("\n\n"))
	_, rest, hasID := bytes.Cut(head, []byte("\nMessage-Id: "))
	if !found || !hasID || len(text) == 0 {
		t.Fatalf("%s is no whole message: %q", file, b[:min(len(b), 500)])
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(line), sha256.Sum256(text)
}
