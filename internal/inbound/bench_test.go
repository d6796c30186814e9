package inbound

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"mtad/internal/config"
	"mtad/internal/mainlog"
	"mtad/spool"
	"mtad/tlsstate"
)

// freeStore is a spool whose commits cost nothing: what is left is the session.
type freeStore struct{ sickStore }

func (s *freeStore) Commit(b *spool.Batch) error {
	for _, d := range b.New {
		d.Discard()
	}
	return nil
}

func benchServer(b *testing.B) *Server {
	r := newRig(b, "")
	cfg := r.srv.deps.Config()
	return NewServer(Deps{
		Config: func() *config.Config { return cfg }, Spool: &freeStore{*r.store},
		Log: (*mainlog.Log)(nil), Version: "1.0",
	})
}

// BenchmarkSession is a message of 10 KB over loopback: pipelined, and a command
// at a time. The client's half of the work is in it.
func BenchmarkSession(b *testing.B) {
	body := "Subject: x\r\nMessage-ID: <a@b>\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 142) + ".\r\n"
	for _, c := range []struct {
		name  string
		steps [][]byte
		waits []int // lines of answer behind each step
	}{
		{"pipelined", bytesOf("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@ours.test>\r\nDATA\r\n", body), []int{3, 1}},
		{"stepwise", bytesOf("MAIL FROM:<a@x.example>\r\n", "RCPT TO:<b@ours.test>\r\n", "DATA\r\n", body), []int{1, 1, 1, 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			client, server := tcpPair(b)
			srv := benchServer(b)
			go srv.Serve(tlsstate.New(server), Listener{})
			answers := make([]byte, 4096)
			await(b, client, answers, 1)
			io.WriteString(client, "EHLO c\r\n")
			await(b, client, answers, 6)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				for i, step := range c.steps {
					client.Write(step)
					await(b, client, answers, c.waits[i])
				}
			}
		})
	}
}

func bytesOf(texts ...string) (all [][]byte) {
	for _, s := range texts {
		all = append(all, []byte(s))
	}
	return all
}

func await(b *testing.B, c net.Conn, buf []byte, lines int) {
	for lines > 0 {
		n, err := c.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		lines -= bytes.Count(buf[:n], []byte{'\n'})
	}
}

// An idle session costs little: its struct, its stack, its goroutine. The
// sockets' share is the kernel's and tlsstate's.
func TestIdleSessionIsSmall(t *testing.T) {
	r := newRig(t, "")
	const sessions = 500
	wires := make([]*wire, 0, sessions)
	before := inUse()
	for range sessions {
		wires = append(wires, r.open())
	}
	each := (inUse() - before) / sessions
	t.Logf("%d bytes a session, its test wire included", each)
	if each > 16<<10 {
		t.Errorf("an idle session costs %d bytes, more than 16 KB", each)
	}
	for _, w := range wires {
		w.end()
	}
}

// inUse is what heap and stacks hold after a collection.
func inUse() uint64 {
	runtime.GC()
	time.Sleep(time.Millisecond)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
