package tlsstate

import (
	"bytes"
	"io"
	"net"
	"testing"
)

func TestClear(t *testing.T) {
	t.Parallel()
	s, peer := tcpPair(t)
	if s.Pending() {
		t.Error("Pending with nothing sent")
	}
	peer.Write([]byte("EHLO x\r\n"))
	got := make([]byte, 4)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "EHLO" {
		t.Fatalf("read %q, %v", got, err)
	}
	if !s.Pending() {
		t.Error("not Pending with half a line left")
	}
	io.ReadFull(s, got)
	if s.Pending() {
		t.Error("Pending with all read")
	}
	if n, err := s.WriteBuffers(&net.Buffers{[]byte("250-a\r\n"), []byte("250 b\r\n")}); n != 14 || err != nil {
		t.Fatalf("WriteBuffers: %d, %v", n, err)
	}
	reply := make([]byte, 14)
	if io.ReadFull(peer, reply); !bytes.Equal(reply, []byte("250-a\r\n250 b\r\n")) {
		t.Errorf("peer got %q", reply)
	}
	peer.CloseWrite()
	if _, err := s.Read(got); err != io.EOF {
		t.Errorf("after FIN: %v", err)
	}
	if s.Pending() {
		t.Error("the end of the connection is no input")
	}
}

func TestCloseEndsRead(t *testing.T) {
	t.Parallel()
	s, _ := tcpPair(t)
	ended := make(chan error)
	go func() { _, err := s.Read(make([]byte, 1)); ended <- err }()
	for range 3 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; err == nil {
		t.Error("a Read on a closed socket succeeded")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	s, peer := tcpPair(t)
	if got := s.RemoteAddr().String(); got != peer.LocalAddr().String() {
		t.Errorf("remote %s", got)
	}
	if got := s.LocalAddr(); !got.Addr().Is4() || got.String() != peer.RemoteAddr().String() {
		t.Errorf("local %s", got)
	}
	a, _ := net.Pipe()
	if New(a).RemoteAddr().IsValid() {
		t.Error("a pipe has an address")
	}
}
