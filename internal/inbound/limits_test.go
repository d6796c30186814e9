package inbound

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtad/spool"
	"mtad/tlsstate"
)

const (
	group   = "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n"
	trusted = "10.0.0.1"
)

// open begins a session that may relay, behind its EHLO.
func (r *rig) open() *wire {
	w, _ := r.dial(trusted)
	w.say("EHLO c")
	return w
}

// CM-01: the limit of a line, and one answer for what is beyond it.
func TestCommandLineLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	for _, c := range []struct {
		n    int // bytes with CRLF
		want string
	}{{512, "250 OK\r\n"}, {2048, "250 OK\r\n"}, {2049, "500 command line too long\r\n"}, {1 << 20, "500 command line too long\r\n"}} {
		w := r.open()
		line := "NOOP " + strings.Repeat("x", c.n-len("NOOP \r\n"))
		if got := w.say(line, "NOOP"); got != c.want+"250 OK\r\n" {
			t.Errorf("%d bytes: %q", c.n, got)
		}
		w.end()
	}
	w := r.open()
	if got := w.say(strings.Repeat("x", 3<<20)); !strings.HasPrefix(got, "500 ") {
		t.Errorf("endless line: %q", got)
	}
	if !w.closed {
		t.Error("endless line: still open")
	}
}

// CM-16: chatter without mail.
func TestJunkCommandsEndTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	for _, cmd := range []string{"RSET", "NOOP", "HELP", "VRFY x"} {
		w := r.open()
		got := w.say(strings.Split(strings.TrimSuffix(strings.Repeat(cmd+"\n", 101), "\n"), "\n")...)
		if !strings.Contains(got, "421 mx.ours.test too many commands without mail\r\n") || !w.closed {
			t.Errorf("%s: %q", cmd, got[max(0, len(got)-80):])
		}
	}
}

// CM-07, CM-21: many commands in one piece are answered one for one, in order.
func TestManyPipelinedRecipients(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w := r.open()
	var in, want strings.Builder
	in.WriteString("MAIL FROM:<a@x.example>\r\n")
	want.WriteString("250 OK\r\n")
	for i := range 1002 {
		fmt.Fprintf(&in, "RCPT TO:<u%d@y.example>\r\n", i)
		if i < 1000 {
			want.WriteString("250 Accepted\r\n")
		} else {
			want.WriteString("452 too many recipients\r\n")
		}
	}
	if got := w.send([]byte(in.String())); got != want.String() {
		t.Errorf("got %d bytes, want %d", len(got), want.Len())
	}
	w.say("DATA")
	w.say("a: b", ".")
	envs, _ := r.stored()
	if len(envs) != 1 || len(envs[0].Recipients) != 1000 {
		t.Error("not one message with 1000 recipients")
	}
}

// CM-08: who is named again and again gets one copy.
func TestRecipientsNamedTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w := r.open()
	w.say("MAIL FROM:<a@x.example>")
	for range 3 {
		for i := range 40 {
			w.say(fmt.Sprintf("RCPT TO:<u%d@y.example>", i))
		}
	}
	w.say("DATA")
	w.say("a: b", ".")
	if envs, _ := r.stored(); len(envs) != 1 || len(envs[0].Recipients) != 40 {
		t.Errorf("%d messages", len(envs))
	}
}

// BD-07: a large message that is given up on its way leaves no file.
func TestAbandonedMessagesLeaveNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	text := "a: b\r\n\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 10000)
	chunk := "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n" + fmt.Sprintf("BDAT %d\r\n", len(text)) + text
	for name, c := range map[string]struct{ first, then string }{
		"DATA cut off":       {group, text},
		"BDAT cut off":       {"", chunk[:len(chunk)-1]},
		"RSET behind a BDAT": {chunk, "RSET\r\n"},
		"QUIT behind a BDAT": {chunk, "QUIT\r\n"},
		"end behind a BDAT":  {chunk, ""},
	} {
		w := r.open()
		w.send([]byte(c.first))
		w.send([]byte(c.then))
		if name != "RSET behind a BDAT" {
			w.end()
		}
		left, err := filepath.Glob(filepath.Join(r.dir, "body", "*"))
		if len(left) > 0 || err != nil {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
		w.end()
	}
	if len(r.arrived) > 0 {
		t.Errorf("%d messages", len(r.arrived))
	}
}

// CM-05: long lines are data.
func TestLongLinesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w := r.open()
	var want []string
	for _, n := range []int{998, 999, 1 << 20} {
		body := "a: b\r\n\r\n" + strings.Repeat("x", n) + "\r\n"
		want = append(want, body)
		w.send([]byte(group))
		if got := w.send([]byte(body), []byte(".\r\n")); !strings.HasPrefix(got, "250 ") {
			t.Fatalf("%d: %q", n, got)
		}
	}
	_, texts := r.stored()
	for i, text := range texts {
		if bodyOf(t, text) != want[i] {
			t.Errorf("message %d came out different", i)
		}
	}
}

// CM-06, HD-07: headers are bounded, generously; text without header is no header.
func TestHeaderLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct{ name, body, want string }{
		{"folded 1 MiB", "a: b\r\n" + strings.Repeat(" "+long[:1000]+"\r\n", 1050) + "\r\n", "552 "},
		{"10,000 fields", strings.Repeat("a: b\r\n", 10000) + "\r\n", "552 "},
		{"Subject of 60 kB", "Subject: " + long[:60000] + "\r\n\r\n", "250 "},
		{"a line of text of 1 MiB", long + "\r\n", "250 "},
		{"8-bit header", "Subject: \xc3\xbc\r\n\r\n", "250 "},
	} {
		w := r.open()
		w.send([]byte(group))
		if got := w.send([]byte(c.body), []byte(".\r\n")); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
		w.end()
	}
}

// HD-07: where there is no header, an empty line parts ours from the text.
func TestBlankLineBehindOurs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body  string
		blank bool
	}{
		{"Subject: x\r\n\r\ny\r\n", false}, {"Subject : x\r\n", false}, {"\r\ntext\r\n", false}, {"", false},
		{"text\r\n", true}, {" folded: x\r\n", true}, {"From me Mon\r\n", true}, {":\r\n", true}, {"..\r\n", true},
	} {
		r := newRig(t, "")
		w := r.open()
		w.send([]byte(group))
		w.send([]byte(c.body + ".\r\n"))
		_, texts := r.stored()
		want := c.body
		if c.blank {
			want = "\r\n" + want
		}
		if got := bodyOf(t, texts[0]); got != want {
			t.Errorf("%q came out as %q", c.body, got)
		}
	}
}

// What the spool cannot keep is not acknowledged, and not told to the queue.
func TestSpoolFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		sicken    func(*sickStore)
		mail, dot string
	}{
		{"full", func(s *sickStore) { s.full = true }, "452 space shortage, please try later\r\n", ""},
		{"poisoned", func(s *sickStore) { s.poisoned = true }, "451 local problem, please try later\r\n", ""},
		{"full at the dot", func(s *sickStore) { s.err = fmt.Errorf("append: %w", spool.ErrFull) }, "250 OK\r\n", "452 space shortage, please try later\r\n"},
		{"poisoned at the dot", func(s *sickStore) { s.err = spool.ErrPoisoned }, "250 OK\r\n", "451 local problem, please try later\r\n"},
		{"another", func(s *sickStore) { s.err = errors.New("I/O") }, "250 OK\r\n", "451 local problem, please try later\r\n"},
	} {
		r := newRig(t, "")
		c.sicken(r.store)
		w := r.open()
		if got := w.say("MAIL FROM:<a@x.example>"); got != c.mail {
			t.Errorf("%s: MAIL: %q", c.name, got)
		}
		if c.dot == "" {
			continue
		}
		w.say("RCPT TO:<b@y.example>", "DATA")
		if got := w.say("a: b", "."); got != c.dot {
			t.Errorf("%s: dot: %q", c.name, got)
		}
		if len(r.arrived) != 0 {
			t.Errorf("%s: told of a message that is not there", c.name)
		}
		r.store.err = nil
		w.send([]byte(group))
		if got := w.say("a: b", "."); !strings.HasPrefix(got, "250 OK id=") {
			t.Errorf("%s: afterwards: %q", c.name, got)
		}
		w.end()
	}
}

// CM-18: a client that has said everything and ended its side is served to the end.
func TestHalfCloseBehindTheDot(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w := r.open()
	w.send([]byte(group))
	w.mu.Lock()
	w.pieces = append(w.pieces, []byte("a: b\r\n.\r\nQUIT\r\n"))
	w.eof, w.waiting = true, false
	w.mu.Unlock()
	if got := w.send(); !strings.HasPrefix(got, "250 OK id=") || !strings.HasSuffix(got, "221 mx.ours.test closing connection\r\n") {
		t.Errorf("got %q", got)
	}
}

// SM-20: what comes before the banner was not said to us.
func TestSpeaksBeforeBanner(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	client, server := tcpPair(t)
	client.Write([]byte("EHLO c\r\n"))
	sock := tlsstate.New(server)
	for !sock.Pending() {
		time.Sleep(time.Millisecond)
	}
	go func() { r.srv.Serve(sock, Listener{}); sock.Close() }()
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	if got := readAll(client); got != "554 SMTP synchronization error\r\n" {
		t.Errorf("got %q", got)
	}
}

// timed plays against a net.Pipe in a bubble of its own time.
func timed(t *testing.T, extra string, play func(t *testing.T, r *rig, c net.Conn)) {
	r := newRig(t, extra)
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			r.srv.Serve(tlsstate.New(server), Listener{})
			server.Close()
		}()
		play(t, r, client)
		client.Close()
		time.Sleep(time.Hour) // who writes now and then notices
	})
}

// read returns one answer, whatever it is.
func read(c net.Conn) string {
	b := make([]byte, 4096)
	n, _ := c.Read(b)
	return string(b[:n])
}

func readAll(c net.Conn) string {
	var all strings.Builder
	for {
		s := read(c)
		if s == "" {
			return all.String()
		}
		all.WriteString(s)
	}
}

// DO-01: one deadline for a whole command line, however slowly it comes.
func TestSlowCommandLine(t *testing.T) {
	timed(t, "smtp_receive_timeout = \"5m\"\n", func(t *testing.T, r *rig, c net.Conn) {
		read(c)
		began := time.Now()
		go func() {
			for {
				time.Sleep(10 * time.Second)
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		if got := readAll(c); got != "421 mx.ours.test SMTP command timeout - closing connection\r\n" {
			t.Errorf("got %q", got)
		}
		if d := time.Since(began); d != 5*time.Minute {
			t.Errorf("closed after %v", d)
		}
	})
}

// pipeGroup takes a net.Pipe up to 354, in HELO's steps.
func pipeGroup(c net.Conn) string {
	read(c)
	last := ""
	for _, cmd := range []string{"EHLO c", "MAIL FROM:<a@x.example>", "RCPT TO:<b@ours.test>", "DATA"} {
		c.Write([]byte(cmd + "\r\n"))
		last = read(c)
	}
	return last
}

// DO-02: a message comes with 500 bytes a second, or it does not come.
func TestSlowMessage(t *testing.T) {
	timed(t, "smtp_receive_timeout = \"1m\"\n", func(t *testing.T, r *rig, c net.Conn) {
		pipeGroup(c)
		began := time.Now()
		go func() {
			for {
				time.Sleep(time.Second)
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		if got := readAll(c); got != "421 mx.ours.test SMTP incoming data timeout - closing connection\r\n" {
			t.Errorf("got %q", got)
		}
		if d := time.Since(began); d != time.Minute {
			t.Errorf("closed after %v", d)
		}
	})
}

// A message that is slow but fast enough may take as long as it takes.
func TestSteadyMessage(t *testing.T) {
	timed(t, "smtp_receive_timeout = \"1m\"\n", func(t *testing.T, r *rig, c net.Conn) {
		pipeGroup(c)
		c.Write([]byte("a: b\r\n\r\n"))
		for range 600 {
			time.Sleep(time.Second)
			fmt.Fprintf(c, "%s\r\n", strings.Repeat("x", 600))
		}
		c.Write([]byte(".\r\n"))
		if got := read(c); !strings.HasPrefix(got, "250 OK id=") {
			t.Errorf("got %q", got)
		}
	})
}

// CM-22: a client that reads nothing is not waited for.
func TestClientThatDoesNotRead(t *testing.T) {
	timed(t, "smtp_receive_timeout = \"1m\"\n", func(t *testing.T, r *rig, c net.Conn) {
		began := time.Now()
		synctest.Wait() // the banner stands in the pipe, nobody takes it
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, err := c.Write([]byte("EHLO c\r\n")); err == nil {
			t.Errorf("still open after %v", time.Since(began))
		}
	})
}

// Draining: who waits for nothing is told at once, who is in the middle of a
// message may end it.
func TestDrain(t *testing.T) {
	timed(t, "", func(t *testing.T, r *rig, c net.Conn) {
		read(c)
		synctest.Wait()
		began := time.Now()
		r.drain = true
		r.srv.Drain()
		if got := readAll(c); got != "421 mx.ours.test shutting down, please try later\r\n" || time.Since(began) != 0 {
			t.Errorf("got %q after %v", got, time.Since(began))
		}
	})
	timed(t, "", func(t *testing.T, r *rig, c net.Conn) {
		if got := pipeGroup(c); !strings.HasPrefix(got, "354 ") {
			t.Fatalf("got %q", got)
		}
		c.Write([]byte("a: b\r\n"))
		synctest.Wait()
		r.drain = true
		r.srv.Drain()
		synctest.Wait()
		c.Write([]byte(".\r\n"))
		got := readAll(c)
		if !strings.HasPrefix(got, "250 OK id=") || !strings.HasSuffix(got, "421 mx.ours.test shutting down, please try later\r\n") {
			t.Errorf("got %q", got)
		}
	})
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	for why, want := range map[Refusal]string{
		Welcome:            "",
		TooManyConnections: "421 too many concurrent SMTP connections; please try again later\r\n",
		TooManyFromHost:    "421 too many concurrent SMTP connections from your host; please try again later\r\n",
		ShuttingDown:       "421 shutting down, please try later\r\n",
	} {
		w := newWire("192.0.2.1")
		r.srv.Refuse(tlsstate.New(w), why, Listener{})
		if got := w.out.String(); got != want {
			t.Errorf("%d: %q", why, got)
		}
	}
}

func tcpPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}
