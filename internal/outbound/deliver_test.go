package outbound

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"mtad/spool"
	"mtad/tlsstate"
)

// envelope has n recipients, and the indexes of all of them.
func envelope(n int) (*spool.Envelope, []int) {
	env := &spool.Envelope{Sender: "a@x.example", Size: 24}
	var rcpts []int
	for i := range n {
		env.Recipients = append(env.Recipients, spool.Recipient{Address: fmt.Sprintf("recipient-%d@y.example", i)})
		rcpts = append(rcpts, i)
	}
	return env, rcpts
}

func noRecord([]Fate) error { return nil }

// pipelining is the beginning of a session with a server that does PIPELINING.
func pipelining() []string {
	return []string{"S: 220 mx", "C: EHLO relay.example.net", "S: 250-mx", "S: 250 PIPELINING"}
}

// opened is a session with a server that does PIPELINING and then what script says.
func opened(t *testing.T, s *Settings, script ...string) (*Conn, chan error) {
	t.Helper()
	client, server := tcpPair(t)
	served := make(chan error, 1)
	go func() { served <- serve(server, append(pipelining(), script...)) }()
	c, f := open(t.Context(), client, testTarget, s, "")
	if f != nil {
		t.Fatal(f)
	}
	return c, served
}

func TestDial(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	from := make(chan string, 1)
	go func() {
		server, err := l.Accept()
		if err != nil {
			return
		}
		from <- server.RemoteAddr().(*net.TCPAddr).IP.String()
		serve(server, append(pipelining()[:3], "S: 250-PIPELINING", "S: 250 SIZE 5", "C: QUIT", "S: 221 bye"))
	}()
	s := settings(nil)
	s.Interface = "127.0.0.2"
	c, f := Dial(t.Context(), Target{Name: "mx", Addr: netip.MustParseAddrPort(l.Addr().String()), IP: "127.0.0.1"}, s)
	if f != nil {
		t.Fatal(f)
	}
	defer c.Abort()
	if got := <-from; got != "127.0.0.2" {
		t.Errorf("connected from %s", got)
	}
	if !c.Usable() || !c.Clean || !c.Extensions.Pipelining || c.Extensions.SizeLimit != 5 {
		t.Errorf("%+v", c)
	}
	c.Quit(t.Context())
	if c.Usable() {
		t.Error("usable after Quit")
	}
}

func TestDialFaults(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, c := range []struct {
		name string
		ctx  context.Context
		set  Settings
		want string
	}{
		{"refused", t.Context(), Settings{Helo: "me"}, `host "refused" (111): H=mx [127.0.0.1]: Connection refused`},
		{"timeout", t.Context(), Settings{Helo: "me", ConnectTimeout: 1}, `host "timeout" (110): H=mx [127.0.0.1]: Connection timed out`},
		{"interface", t.Context(), Settings{Helo: "me", Interface: "192.0.2.77"}, `host "connect" (99): H=mx [127.0.0.1]: Cannot assign requested address`},
		{"no address", t.Context(), Settings{Helo: "me", Interface: "eth0"}, `host "connect" (0): H=mx [127.0.0.1]: interface "eth0" is no address of this host: ParseAddr("eth0"): unable to parse IP`},
		{"helo", t.Context(), Settings{Helo: "me\r\nMAIL"}, `host "connect" (0): helo_data is "me\r\nMAIL": not a host name; cannot greet mx [127.0.0.1]`},
		{"shutdown", stopped, Settings{Helo: "me"}, `session "shutdown" (0): H=mx [127.0.0.1]: given up by this host after connect`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, f := Dial(c.ctx, Target{Name: "mx", Addr: addr, IP: "127.0.0.1"}, &c.set)
			if conn != nil || f == nil {
				t.Fatal(conn, f)
			}
			if got := tellFault(f); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestShutdown: the end of ctx cuts a silent session short and blames nobody;
// past the dot it says that the message may have been delivered.
func TestShutdown(t *testing.T) {
	t.Parallel()
	mail := []string{"C: MAIL FROM:<a@x.example>", "C: RCPT TO:<recipient-0@y.example>", "C: RCPT TO:<recipient-1@y.example>", "C: DATA"}
	for name, c := range map[string]struct {
		script  []string
		inDoubt bool
		decided int
	}{
		"before the dot": {mail, false, 0},
		"past the dot":   {append(slices.Clone(mail), "S: 250 ok", "S: 250 ok", "S: 550 no", "S: 354 go", "C: hi", "C: ."), true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			client, server := tcpPair(t)
			go func() {
				defer server.Close()
				in := bufio.NewReader(server)
				if err := follow(server, in, append(pipelining(), c.script...)); err != nil {
					t.Error(err)
				}
				cancel()
				io.Copy(io.Discard, in)
			}()
			conn, f := open(t.Context(), client, testTarget, settings(nil), "")
			if f != nil {
				t.Fatal(f)
			}
			env, rcpts := envelope(2)
			var recorded []Fate
			res := deliver(ctx, conn, settings(nil), env, rcpts, memory("hi\r\n"), func(f []Fate) error {
				recorded = append(recorded, f...)
				return nil
			})
			if len(recorded) != c.decided || c.decided > 0 && (recorded[0].Rcpt != 1 || recorded[0].Kind != Failed) {
				t.Errorf("recorded %+v", recorded)
			}
			if !res.Again || len(res.Fates) != 0 || res.Fault == nil || res.Fault.Kind != "shutdown" || res.Fault.Scope != ScopeSession || res.Fault.InDoubt != c.inDoubt {
				t.Errorf("%+v %+v", res, res.Fault)
			}
			if conn.Usable() {
				t.Error("usable")
			}
		})
	}
}

// TestRecordFails: what cannot be recorded ends the message here and now.
func TestRecordFails(t *testing.T) {
	t.Parallel()
	s := settings([]string{"max_rcpt=1"})
	conn, served := opened(t, s, "C: MAIL FROM:<a@x.example>", "C: RCPT TO:<recipient-0@y.example>", "C: DATA",
		"S: 250 ok", "S: 250 ok", "S: 354 go", "C: hi", "C: .", "S: 250 ok")
	env, rcpts := envelope(2)
	res := deliver(t.Context(), conn, s, env, rcpts, memory("hi\r\n"), func([]Fate) error { return errors.New("disk is gone") })
	conn.Abort()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if !res.Again || len(res.Fates) != 0 || res.Fault == nil || res.Fault.Kind != "spool" || res.Fault.Text != "cannot record what became of recipients: disk is gone" {
		t.Errorf("%+v %+v", res, res.Fault)
	}
}

// TestManyRecipients: more commands than two buffers hold go out in groups, each
// answered before the next; every recipient has the reply to its own RCPT.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	const n = 3000
	client, server := net.Pipe()
	largest := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		in := bufio.NewReaderSize(server, 1<<20) // a read takes a whole write
		io.WriteString(server, "220 mx\r\n")
		message := false
		for i := 0; ; {
			line, err := in.ReadString('\n')
			largest = max(largest, len(line)+in.Buffered())
			reply := "250 ok"
			switch {
			case err != nil:
				return
			case message && line != ".\r\n":
				continue
			case message:
				message = false
			case strings.HasPrefix(line, "EHLO"):
				reply = "250-mx\r\n250 PIPELINING"
			case strings.HasPrefix(line, "RCPT"):
				if i%3 == 1 {
					reply = fmt.Sprintf("550 no %s", line[len("RCPT TO:"):len(line)-2])
				}
				i++
			case line == "DATA\r\n":
				reply, message = "354 go", true
			}
			io.WriteString(server, reply+"\r\n")
		}
	}()
	s := settings([]string{"max_rcpt=5000"})
	conn, f := open(t.Context(), client, testTarget, s, "")
	if f != nil {
		t.Fatal(f)
	}
	env, rcpts := envelope(n)
	res := deliver(t.Context(), conn, s, env, rcpts, memory("hi\r\n"), noRecord)
	conn.Abort()
	<-done
	if len(res.Fates) != n || res.Fault != nil {
		t.Fatal(len(res.Fates), res.Fault)
	}
	if largest > groupBytes+512 || largest < groupBytes {
		t.Errorf("%d bytes of commands in one write", largest)
	}
	for i, f := range res.Fates {
		want := Fate{Rcpt: i, Kind: Delivered, Reply: "250 ok"}
		if i%3 == 1 {
			want.Kind, want.Scope = Failed, ScopeRecipient
			want.Reply = "550 no <" + env.Recipients[i].Address + ">"
			want.Error = "SMTP error from remote mailer after RCPT TO:<" + env.Recipients[i].Address + ">: host mx.y.example [192.0.2.9]: " + want.Reply
		}
		if f != want {
			t.Fatalf("%d: got %+v, want %+v", i, f, want)
		}
	}
}

// TestRefusedInTheMiddle: a server that has seen enough says so and hangs up; its
// word counts although the message never ended.
func TestRefusedInTheMiddle(t *testing.T) {
	t.Parallel()
	conn, _ := opened(t, settings(nil), "C: MAIL FROM:<a@x.example>", "C: RCPT TO:<recipient-0@y.example>", "C: DATA",
		"S: 250 ok", "S: 250 ok", "S: 354 go", "C: line", "S: 552 5.3.4 too large", "close")
	env, rcpts := envelope(1)
	res := deliver(t.Context(), conn, settings(nil), env, rcpts, endless{}, noRecord)
	if len(res.Fates) != 1 || res.Fates[0].Kind != Failed || res.Fates[0].Reply != "552 5.3.4 too large" || conn.Usable() {
		t.Errorf("%+v %+v", res, res.Fault)
	}
}

// endless is a message that goes on until the connection breaks.
type endless struct{}

func (endless) Buffers() net.Buffers { return nil }

func (endless) WriteTo(w io.Writer) (int64, error) {
	block := []byte(strings.Repeat("line\r\n", 1000))
	for {
		if _, err := w.Write(block); err != nil {
			return 0, err
		}
	}
}

// TestSpeaksUnasked: DU-15, ST-22: what came in late, behind the reply that was
// read, is not taken for the reply to the next command, nor to the dot.
func TestSpeaksUnasked(t *testing.T) {
	t.Parallel()
	stray := func(t *testing.T) *Conn {
		client, server := tcpPair(t)
		t.Cleanup(func() { server.Close() })
		io.WriteString(server, "250 stray\r\n")
		c := &Conn{Socket: tlsstate.New(client), Target: testTarget, Clean: true, Messages: 1}
		t.Cleanup(c.Abort)
		for !c.Socket.Pending() {
			runtime.Gosched()
		}
		return c
	}
	env, rcpts := envelope(2)
	t.Run("before MAIL", func(t *testing.T) {
		t.Parallel()
		c := stray(t)
		res := deliver(t.Context(), c, settings(nil), env, rcpts, memory("hi\r\n"), noRecord)
		if !res.Again || c.Usable() || !strings.HasSuffix(res.Fault.Text, "after MAIL FROM:<a@x.example>: it spoke unasked: 250 stray") {
			t.Errorf("%+v %v", res, res.Fault)
		}
	})
	t.Run("before the message", func(t *testing.T) {
		t.Parallel()
		c := stray(t)
		w := take(t.Context(), c, settings(nil))
		defer w.release()
		tx := w.transaction(env, memory("hi\r\n"), rcpts, false)
		tx.mailed, tx.goAhead, tx.accepted = true, true, 1
		tx.faults[1] = &Fault{Scope: ScopeRecipient, Permanent: true}
		f := tx.message()
		fates, open := tx.settle(nil)
		if f == nil || f.Scope != ScopeHost || len(open) != 0 || fates[0].Kind != Deferred || fates[1].Kind != Deferred {
			t.Errorf("%v %+v", f, fates)
		}
	})
}

// TestCancelled: a connection whose ctx has ended is closed, whatever it was doing.
func TestCancelled(t *testing.T) {
	t.Parallel()
	client, server := tcpPair(t)
	defer server.Close()
	c := &Conn{Socket: tlsstate.New(client)}
	ctx, cancel := context.WithCancel(t.Context())
	w := take(ctx, c, settings(nil))
	cancel()
	w.release()
	if c.Usable() {
		t.Error("usable")
	}
}

// TestFates: only what is for good, and not this host's alone, fails a recipient.
func TestFates(t *testing.T) {
	t.Parallel()
	for scope, want := range map[Scope]Kind{ScopeRecipient: Failed, ScopeMessage: Failed, ScopeHost: Deferred, ScopeSession: Deferred} {
		for _, permanent := range []bool{true, false} {
			if !permanent {
				want = Deferred
			}
			f := &Fault{Scope: scope, Permanent: permanent, Kind: "k", Code: 7, Text: "text", Reply: "reply"}
			got := Fates(f, []int{3, 5})
			if len(got) != 2 || got[1] != (Fate{Rcpt: 5, Kind: want, Scope: scope, Reply: "reply", Error: "text", Code: 7, ErrNo: "k"}) {
				t.Errorf("%s %t: %+v", scopes[scope], permanent, got)
			}
		}
	}
}

// TestNextSteps is the order of a session's beginning.
func TestNextSteps(t *testing.T) {
	t.Parallel()
	for p, want := range map[progress]step{
		{}:                             takeGreeting,
		{greeted: true}:                sayHello,
		{greeted: true, ancient: true}: sayHELO,
		{greeted: true, helloed: true}: ready,
		{greeted: true, ancient: true, helloed: true}: ready,
	} {
		if got := p.next(); got != want {
			t.Errorf("%+v: %d, want %d", p, got, want)
		}
	}
}

// BenchmarkDeliver sends 10 KB messages on one connection with PIPELINING.
func BenchmarkDeliver(b *testing.B) {
	client, server := tcpPair(b)
	body := memory(strings.Repeat(strings.Repeat("x", 78)+"\r\n", 128))
	go fastServer(server, len(body)+len(dot))
	s := settings(nil)
	conn, f := open(b.Context(), client, testTarget, s, "")
	if f != nil {
		b.Fatal(f)
	}
	defer conn.Abort()
	env, rcpts := envelope(1)
	pieces := inMemory(body.Buffers())
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		res := deliver(ctx, conn, s, env, rcpts, pieces, noRecord)
		if len(res.Fates) != 1 || res.Fates[0].Kind != Delivered {
			b.Fatalf("%+v", res)
		}
	}
}

type inMemory net.Buffers

func (m inMemory) Buffers() net.Buffers             { return net.Buffers(m) }
func (m inMemory) WriteTo(io.Writer) (int64, error) { return 0, errors.New("BUG: not streamed") }

// fastServer takes transactions of one recipient, without looking.
func fastServer(conn net.Conn, size int) {
	defer conn.Close()
	var b [32 << 10]byte
	io.WriteString(conn, "220 mx\r\n")
	conn.Read(b[:])
	io.WriteString(conn, "250-mx\r\n250-SIZE\r\n250 PIPELINING\r\n")
	for {
		if n, err := conn.Read(b[:]); err != nil || string(b[n-6:n]) != "DATA\r\n" {
			return
		}
		conn.Write([]byte("250 ok\r\n250 ok\r\n354 go\r\n"))
		if _, err := io.ReadFull(conn, b[:size]); err != nil {
			return
		}
		conn.Write([]byte("250 ok\r\n"))
	}
}
