package resolvertest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Server is a DNS server that follows a script. It ends with its test.
type Server struct {
	Addr string // where it serves, UDP and TCP; of a Pipe, a name for it

	t    testing.TB
	ctx  context.Context // ends with the server
	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	script *script
	asked  []string
}

// New serves a script on a free port of 127.0.0.1.
func New(t testing.TB, text string) *Server {
	t.Helper()
	s := start(t, text)
	udp, tcp := listen(t)
	s.Addr = udp.LocalAddr().String()
	context.AfterFunc(s.ctx, func() { udp.Close(); tcp.Close() })
	s.work.Go(func() { s.serveUDP(udp) })
	s.work.Go(func() { s.serveTCP(tcp) })
	return s
}

// Pipe serves a script through Dial alone.
func Pipe(t testing.TB, text string) *Server {
	t.Helper()
	s := start(t, text)
	s.Addr = "192.0.2.53:53"
	return s
}

func start(t testing.TB, text string) *Server {
	t.Helper()
	s := &Server{t: t}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.Script(text)
	t.Cleanup(s.Close)
	return s
}

// listen takes one port for both, trying again where TCP's is taken.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("cannot listen: %v", err)
		}
		if tcp, err := net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		udp.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// Script replaces the script.
func (s *Server) Script(text string) {
	s.t.Helper()
	parsed, err := parseScript(text)
	if err != nil {
		s.t.Fatalf("script of the DNS server: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = parsed
}

// Asked returns the questions so far, as "udp MX example.org.", and forgets them.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// Close ends the server and waits for that. A test's end does it too; within
// testing/synctest it has to be called before the bubble ends.
func (s *Server) Close() {
	s.stop()
	s.work.Wait()
}

// Dial connects to the server without a network; it serves whatever address.
// Network is "udp", where one Write is one datagram, or "tcp".
func (s *Server) Dial(_ context.Context, network, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	s.work.Go(func() {
		defer far.Close()
		defer context.AfterFunc(s.ctx, func() { far.Close() })()
		if network == "tcp" {
			s.serveStream(far)
			return
		}
		s.serveDatagrams(far)
	})
	return near, nil
}

func (s *Server) serveDatagrams(conn net.Conn) {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		s.reply("udp", buf[:n], func(out []byte) { conn.Write(out) })
	}
}

func (s *Server) serveUDP(conn net.PacketConn) {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		question := append([]byte(nil), buf[:n]...)
		s.work.Go(func() {
			s.reply("udp", question, func(out []byte) { conn.WriteTo(out, from) })
		})
	}
}

func (s *Server) serveTCP(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.work.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(s.ctx, func() { conn.Close() })()
			s.serveStream(conn)
		})
	}
}

func (s *Server) serveStream(conn net.Conn) {
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		buf := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, buf); err != nil {
			return
		}
		s.reply("tcp", buf, func(out []byte) {
			conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
		})
	}
}

// reply sends what the script says to one question.
func (s *Server) reply(over string, question []byte, send func([]byte)) {
	q := new(dns.Msg)
	if err := q.Unpack(question); err != nil || len(q.Question) != 1 {
		s.t.Errorf("the DNS server was asked %x: %v", question, err)
		return
	}
	honest, does := s.look(over, q)
	if does.wait > 0 {
		select {
		case <-time.After(does.wait):
		case <-s.ctx.Done():
			return
		}
	}
	if does.before != nil && over == "udp" {
		for _, out := range does.before(honest) {
			send(out)
		}
	}
	if does.change == nil {
		does.change = func(m *dns.Msg, _ string) [][]byte { return pack(m) }
	}
	for _, out := range does.change(honest, over) {
		send(out)
	}
}

// look notes the question and finds the honest answer and the rule for it.
func (s *Server) look(over string, q *dns.Msg) (*dns.Msg, act) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, over+" "+dns.TypeToString[q.Question[0].Qtype]+" "+dns.CanonicalName(q.Question[0].Name))
	honest := s.script.answer(q)
	if q.IsEdns0() != nil {
		honest.SetEdns0(1232, false)
	}
	if over == "udp" {
		honest.Truncate(max(dns.MinMsgSize, int(udpSize(q))))
	}
	honest.Compress = true
	for _, r := range s.script.rules {
		if r.left != 0 && r.about(q.Question[0]) {
			if r.left > 0 {
				r.left--
			}
			return honest, r.act
		}
	}
	return honest, act{}
}

func udpSize(q *dns.Msg) uint16 {
	if opt := q.IsEdns0(); opt != nil {
		return opt.UDPSize()
	}
	return dns.MinMsgSize
}
