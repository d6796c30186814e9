package tlsstate

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// FuzzFrame cuts a stream of records into reads at random, and looks for each
// read whether it stays within one record, and for all whether nothing is lost.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 2, 'a', 'b', 23, 3, 3, 0, 0, 21, 3, 3, 0, 1, 'c'}, []byte{3, 1, 9})
	f.Add([]byte{23, 3, 3, 255, 255, 1}, []byte{200})
	f.Add([]byte{20, 3}, []byte{1})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		ends := recordEnds(stream)
		var fr frame
		for at, i := 0, 0; at < len(stream); i++ {
			size := 1
			if len(sizes) > 0 {
				size = 1 + int(sizes[i%len(sizes)])
			}
			n := fr.next(stream[at:min(at+size, len(stream))])
			if n < 1 || n > size {
				t.Fatalf("at %d: %d of %d bytes", at, n, size)
			}
			end := ends[at]
			if at += n; at > end {
				t.Fatalf("read to %d, past the record's end at %d", at, end)
			}
			if fr.between() != (at == end && at <= len(stream)) {
				t.Fatalf("at %d, end %d: between is %v", at, end, fr.between())
			}
		}
	})
}

// recordEnds says for each offset where its record ends.
func recordEnds(stream []byte) []int {
	ends := make([]int, len(stream))
	for at := 0; at < len(stream); {
		end := at + recordHeader
		if end <= len(stream) {
			end += int(stream[at+3])<<8 | int(stream[at+4])
		}
		for ; at < min(end, len(stream)); at++ {
			ends[at] = end
		}
	}
	return ends
}

// FuzzHandshake: no bytes of a peer make the handshake panic or succeed, or let
// clear text through.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte("EHLO x\r\n"))
	f.Add([]byte{22, 3, 1, 0, 5, 1, 0, 0, 1, 3})
	f.Add([]byte{21, 3, 1, 0, 2, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, peer := memory()
		peer.out.write(b)
		peer.Close()
		s := New(a)
		if err := s.StartServer(serverConfig(0), soon(), nil); err == nil {
			t.Fatal("it succeeded")
		}
		if n, err := s.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatalf("read %d bytes after it", n)
		}
	})
}

// WriteBuffers in TLS sends the same bytes, whatever the pieces.
func TestWriteBuffersInTLS(t *testing.T) {
	t.Parallel()
	server, client := secured(t, 0)
	big := bytes.Repeat([]byte("0123456789abcdef"), 5000)
	want := bytes.Join([][]byte{[]byte("a"), big, nil, []byte("bc"), big[:20000]}, nil)
	got := make(chan error, 1)
	go func() { got <- expect(client, string(want)) }()
	b := net.Buffers{[]byte("a"), big, nil, []byte("bc"), big[:20000]}
	if n, err := server.WriteBuffers(&b); n != int64(len(want)) || err != nil || len(b) != 0 {
		t.Errorf("%d of %d bytes, %v; left %d", n, len(want), err, len(b))
	}
	if err := <-got; err != nil {
		t.Error("the other end got something else")
	}
}

// writes counts the calls that reach the kernel.
type writes struct {
	net.Conn
	n int
}

func (w *writes) Write(p []byte) (int, error) { w.n++; return w.Conn.Write(p) }

// One Write of the user is one write to the kernel, though crypto/tls makes
// nine records of it.
func TestOneWrite(t *testing.T) {
	t.Parallel()
	server, client := secured(t, 0)
	counted := &writes{Conn: server.raw}
	server.raw = counted
	go expect(client, string(make([]byte, 10_000)))
	if n, err := server.Write(make([]byte, 10_000)); n != 10_000 || err != nil {
		t.Fatal(n, err)
	}
	if counted.n != 1 {
		t.Errorf("%d writes", counted.n)
	}
}

// A write that failed is the last: the peer has half a record.
func TestWriteFailsForGood(t *testing.T) {
	t.Parallel()
	server, _ := secured(t, 0)
	server.SetWriteDeadline(time.Unix(1, 0))
	if _, err := server.Write([]byte("x")); !isTimeout(err) {
		t.Fatalf("past the deadline: %v", err)
	}
	server.SetWriteDeadline(soon())
	if _, err := server.Write([]byte("x")); err == nil {
		t.Error("wrote on")
	}
	if err := server.Shutdown(); err == nil {
		t.Error("went to clear text")
	}
}

// A connection that waits holds no buffer of ours.
func TestIdleHoldsNoBuffer(t *testing.T) {
	t.Parallel()
	server, client := secured(t, 0)
	send(client, "NOOP\r\n")
	if err := expect(server, "NOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	if server.in.buf != nil {
		t.Error("all is read, and the buffer is kept")
	}
	server.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := server.Read(make([]byte, 1)); !isTimeout(err) {
		t.Fatal(err)
	}
	if server.in.buf != nil || server.wire.out != nil {
		t.Error("a buffer was kept while waiting")
	}
}
