package load

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// start serves a sink on a port of its own until the test ends.
func start(t *testing.T, s *Sink) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(s.Close)
	return l.Addr().String()
}

// book is a ledger in memory.
type book struct {
	mu      sync.Mutex
	entries []Entry
}

func (b *book) record(e Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.Rcpts = slices.Clone(e.Rcpts)
	b.entries = append(b.entries, e)
}

func (b *book) of(f Fate) map[string]Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := map[string]Entry{}
	for _, e := range b.entries {
		if e.Fate == f {
			m[e.ID] = e
		}
	}
	return m
}

func TestSendAgainstSink(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		s    *Sender
	}{
		{"plain", &Sender{Sessions: 3, Messages: 50, Size: 10 << 10, Rcpt: "u%d@t"}},
		{"pipelining", &Sender{Sessions: 3, Messages: 50, Size: 10 << 10, Rcpt: "u%d@t", Pipelining: true}},
		{"bdat", &Sender{Sessions: 3, Messages: 50, Size: 10 << 10, Rcpt: "u%d@t", BDAT: true}},
		{"bdat pipelining", &Sender{Sessions: 3, Messages: 50, Size: 10 << 10, Rcpt: "u%d@t", BDAT: true, Pipelining: true}},
		{"large", &Sender{Sessions: 2, Messages: 4, Size: 3 << 20, Rcpt: "u%d@t", Pipelining: true}},
		{"tiny", &Sender{Sessions: 2, Messages: 20, Size: 1, Rcpt: "u%d@t"}},
		{"many recipients", &Sender{Sessions: 2, Messages: 10, Size: 2 << 10, Rcpts: 50, Rcpt: "u%d@t", Domains: 7, Pipelining: true}},
		{"one a connection", &Sender{Sessions: 3, Messages: 20, Size: 2 << 10, Rcpt: "u@t", PerConnection: 1}},
		{"file", &Sender{Sessions: 1, Messages: 3, Rcpt: "u@t", File: []byte("Subject: x\n\n.\n..\nlast line")}},
		{"paced", &Sender{Sessions: 2, Messages: 10, Size: 1 << 10, Rcpt: "u@t", Rate: 1000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var sent, got book
			sink := &Sink{Verify: true, Record: got.record}
			s := tt.s
			s.To, s.From, s.Helo, s.Record = start(t, sink), "f@t", "t", sent.record
			sum := s.Run(context.Background())
			totals := sink.Totals()
			n := int64(s.Messages)
			if sum.Acked != n || sum.Failed != 0 || totals.Messages != n || totals.Recipients != n*int64(max(1, s.Rcpts)) {
				t.Fatalf("%d acked, %d failed %v; sink has %d messages, %d recipients", sum.Acked, sum.Failed, sum.Errors, totals.Messages, totals.Recipients)
			}
			if totals.Corrupt+totals.Unverified+totals.Duplicates != 0 || sum.Dot.Count != n || totals.Latency.Count != n {
				t.Errorf("totals %+v, dot %v", totals, sum.Dot)
			}
			if least, most := connections(s); totals.Connections < least || totals.Connections > most {
				t.Errorf("%d connections, want %d to %d", totals.Connections, least, most)
			}
			compare(t, sent.of(Acked), got.of(Got))
		})
	}
}

// connections is how many a run should take; sessions that come too late to
// get a message make none, so only the bound for one a connection is exact.
// connections is how many a sender makes: a session that finds no message left
// makes none.
func connections(s *Sender) (least, most int64) {
	if s.PerConnection == 1 {
		return int64(s.Messages), int64(s.Messages)
	}
	return 1, int64(min(s.Sessions, s.Messages))
}

func compare(t *testing.T, acked, got map[string]Entry) {
	t.Helper()
	for id, a := range acked {
		g := got[id]
		if g.SHA != a.SHA || g.Size != a.Size || !slices.Equal(g.Rcpts, a.Rcpts) || g.Sender != a.Sender {
			t.Errorf("sent %+v\n got %+v", a, g)
		}
	}
	if len(acked) != len(got) {
		t.Errorf("%d acked, %d got", len(acked), len(got))
	}
}

func TestMessageSizeIsWhatWasAsked(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, 10 << 10, 256 << 10, 1 << 20} {
		for n := range 200 {
			msg := appendMessage(nil, "id", "f@t", "r@t", "h", n, size, nil, time.Now())
			if d := size - len(msg); d < 0 || d > 2 || !bytes.HasSuffix(msg, []byte("\r\n")) {
				t.Fatalf("message %d has %d bytes, want %d", n, len(msg), size)
			}
			if size > 10<<10 {
				break
			}
		}
	}
}

func TestChangedByteIsSeen(t *testing.T) {
	t.Parallel()
	msg := appendMessage(nil, "id-1", "f@t", "r@t", "h", 3, 1500, nil, time.Now())
	check := func(msg []byte) bool {
		c := newContent(false, nil)
		for p := range slices.Chunk(msg, 100) {
			c.Write(p)
		}
		c.finish()
		return c.id == "id-1" && !c.corrupt()
	}
	if !check(append([]byte("Received: from x\r\n\tby y\r\n"), msg...)) {
		t.Error("a header on top counts as damage")
	}
	for _, at := range []int{bytes.Index(msg, []byte("From:")), 800, len(msg) - 1} {
		bad := slices.Clone(msg)
		bad[at] ^= 1
		if check(bad) {
			t.Errorf("a bit flipped at %d is not seen", at)
		}
	}
	if check(msg[:len(msg)-20]) {
		t.Error("a cut message is not seen")
	}
}

// TestEndOfData splits every body at every point: what arrives must not depend
// on how TCP cuts it.
func TestEndOfData(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ wire, want string }{
		{".\r\n", ""},
		{"a\r\n.\r\n", "a\r\n"},
		{"..\r\n.\r\n", ".\r\n"},
		{"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n"},
		{"a\r\r\n.\r\n", "a\r\r\n"},
		{"a\n.\nb\r\n.\r\n", "a\n.\nb\r\n"},
		{"a\r.\rb\n.\r\nc\r\n.\r\n", "a\r.\rb\n.\r\nc\r\n"},
		{"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n"},
		{"\r\n\r\n.\r\n", "\r\n\r\n"},
	} {
		for cut := range len(tt.wire) + 1 {
			var kept bytes.Buffer
			conn := &pieces{[][]byte{[]byte(tt.wire[:cut]), []byte(tt.wire[cut:] + "QUIT\r\n")}}
			c := newSinkSession(&Sink{}, conn, 1)
			c.msg.keep = &kept
			if err := c.untilDot(); err != nil {
				t.Fatalf("%q cut at %d: %v", tt.wire, cut, err)
			}
			if kept.String() != tt.want {
				t.Errorf("%q cut at %d: %q, want %q", tt.wire, cut, kept.String(), tt.want)
			}
			if line, err := c.line(); line != "QUIT" {
				t.Errorf("%q cut at %d: next command %q, %v", tt.wire, cut, line, err)
			}
		}
	}
}

// pieces is a connection that gives out what it has piece by piece.
type pieces struct{ left [][]byte }

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.left) > 0 && len(p.left[0]) == 0 {
		p.left = p.left[1:]
	}
	if len(p.left) == 0 {
		return 0, net.ErrClosed
	}
	n := copy(b, p.left[0])
	p.left[0] = p.left[0][n:]
	return n, nil
}
func (p *pieces) Write(b []byte) (int, error)      { return len(b), nil }
func (p *pieces) Close() error                     { return nil }
func (p *pieces) LocalAddr() net.Addr              { return nil }
func (p *pieces) RemoteAddr() net.Addr             { return nil }
func (p *pieces) SetDeadline(time.Time) error      { return nil }
func (p *pieces) SetReadDeadline(time.Time) error  { return nil }
func (p *pieces) SetWriteDeadline(time.Time) error { return nil }

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		refuse, hangUp string
		fate           Fate
		code           int
	}{
		{"MAIL=451", "", Nacked, 451},
		{"RCPT=550", "", Nacked, 550},
		{"DATA=554", "", Nacked, 554},
		{"DOT=452", "", Nacked, 452},
		{"", "MAIL", Unknown, 0},
		{"", "DOT", Unknown, 0},
		{"MAIL=421", "", Nacked, 421},
		{"RCPT=421", "", Nacked, 421},
	} {
		for _, pipelining := range []bool{false, true} {
			name := fmt.Sprintf("%s%s/%v", tt.refuse, tt.hangUp, pipelining)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				refusals(t, tt.refuse, tt.hangUp, pipelining, tt.fate, tt.code)
			})
		}
	}
}

func refusals(t *testing.T, refuse, hangUp string, pipelining bool, fate Fate, code int) {
	sink := &Sink{}
	if refuse != "" {
		sink.Rules = append(sink.Rules, must(ParseRefusal(refuse)))
	}
	if hangUp != "" {
		sink.Rules = append(sink.Rules, must(ParseClose(hangUp)))
	}
	var sent book
	s := &Sender{To: start(t, sink), Sessions: 2, Messages: 6, Size: 2000, Rcpts: 2, Rcpt: "u%d@t", From: "f@t", Helo: "t",
		Pipelining: pipelining, Record: sent.record}
	sum := s.Run(context.Background())
	if sum.Acked != 0 || sum.Failed != 6 || sink.Totals().Messages != 0 {
		t.Errorf("%+v, sink %+v", sum, sink.Totals())
	}
	got := sent.of(fate)
	if len(got) != 6 {
		t.Errorf("%d of 6 messages are %s: %v", len(got), fate, sent.entries)
	}
	for _, e := range got {
		if fate == Nacked && e.Code != code {
			t.Errorf("code %d, want %d", e.Code, code)
		}
	}
}

func must(r Rule, err error) Rule {
	if err != nil {
		panic(err)
	}
	return r
}

func TestPartOfTheRecipientsRefused(t *testing.T) {
	t.Parallel()
	var sent, got book
	sink := &Sink{Rules: []Rule{must(ParseRefusal("RCPT=450:50%"))}, Record: got.record}
	s := &Sender{To: start(t, sink), Sessions: 1, Messages: 20, Size: 2000, Rcpts: 20, Rcpt: "u%d@t", Record: sent.record}
	sum := s.Run(context.Background())
	if sum.Acked != 20 || sum.RcptsRefused == 0 || sum.RcptsRefused+sink.Totals().Recipients != 400 {
		t.Errorf("%+v, sink %+v", sum, sink.Totals())
	}
	compare(t, sent.of(Acked), got.of(Got))
}

func TestDuplicatesAndCorruptionAreCounted(t *testing.T) {
	t.Parallel()
	sink := &Sink{Verify: true}
	c, err := dial(start(t, sink), &greeting{helo: "t"})
	if err != nil {
		t.Fatal(err)
	}
	msg := appendMessage(nil, "id", "f@t", "r@t", "h", 3, 1500, nil, time.Now())
	send := func(to string) {
		if res, err := c.transact("f@t", []string{to}, msg, false, false); err != nil || !res.acked() {
			t.Fatal(res, err)
		}
	}
	send("a@t")
	send("b@t") // the same message to another recipient is none
	send("a@t")
	msg[len(msg)-5] ^= 1
	send("c@t")
	c.quit()
	if got := sink.Totals(); got.Messages != 4 || got.Duplicates != 1 || got.Corrupt != 1 {
		t.Errorf("%+v", got)
	}
}

func TestDelayIsSeenInTheFigures(t *testing.T) {
	t.Parallel()
	const delay = 20 * time.Millisecond
	s := &Sender{To: start(t, &Sink{Delay: delay}), Sessions: 1, Messages: 2, Size: 1000, Rcpt: "u@t"}
	sum := s.Run(context.Background())
	if sum.Dot.P50 < delay || sum.Mail.P50 < 4*delay {
		t.Errorf("dot %v, MAIL %v", sum.Dot, sum.Mail)
	}
}

func TestKeepAndLedger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	led, err := OpenLedger(filepath.Join(dir, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	sink := &Sink{Keep: dir, LMTP: false, Record: led.Record}
	s := &Sender{To: start(t, sink), Sessions: 1, Messages: 2, Size: 1000, Rcpt: "u%d@t", From: "f@t"}
	s.Run(context.Background())
	sink.Close()
	if err := led.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.eml"))
	if len(files) != 2 {
		t.Fatalf("%d files kept", len(files))
	}
	msg, _ := os.ReadFile(files[1])
	c := newContent(true, nil)
	c.Write(msg)
	c.finish()
	lines, _ := os.ReadFile(led.f.Name())
	if want := "got\t" + s.run + "-1\t250\t<f@t>\tu1@t\t" + c.shaHex(); c.corrupt() || !strings.Contains(string(lines), want) {
		t.Errorf("ledger %q has no %q", lines, want)
	}
}

func TestLMTPAnswersForEachRecipient(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", start(t, &Sink{LMTP: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	dialogue := "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@t>\r\nRCPT TO:<b@t>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
	fmt.Fprint(conn, dialogue)
	var b bytes.Buffer
	b.ReadFrom(conn)
	if got := strings.Count(b.String(), "250 OK got it\r\n"); got != 2 {
		t.Errorf("%d replies to the dot: %q", got, b.String())
	}
}

func TestWaitOutlastsARestart(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	sink := &Sink{}
	time.AfterFunc(30*time.Millisecond, func() {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			sink.Serve(l)
		}
	})
	t.Cleanup(sink.Close)
	s := &Sender{To: addr, Sessions: 1, Messages: 1, Size: 1000, Rcpt: "u@t", Wait: 10 * time.Second}
	if sum := s.Run(context.Background()); sum.Acked != 1 {
		t.Errorf("%+v", sum)
	}
}

func TestParsers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"RCPT=451": "{RCPT 451 1}", "rcpt=451:10%": "{RCPT 451 0.1}", "RCPT": "", "FOO=400": "", "RCPT=250": "", "RCPT=450:0%": ""} {
		r, err := ParseRefusal(in)
		if got := fmt.Sprint(r); (want == "") != (err != nil) || err == nil && got != want {
			t.Errorf("ParseRefusal(%q) = %s, %v", in, got, err)
		}
	}
	for in, want := range map[string]int{"127.1.0.0/22:25": 1024, "127.0.0.1:25": 1, "127.0.0.1": 0, "10.0.0.0/8:25": 0, "[::1]:25": 1} {
		if got, err := ParseListen(in); len(got) != want && err == nil || (want == 0) != (err != nil) {
			t.Errorf("ParseListen(%q) has %d, %v", in, len(got), err)
		}
	}
	for in, want := range map[string]int{"10": 10, "10K": 10240, "1m": 1 << 20, "": -1, "K": -1, "-1": -1, "2000M": -1, "1KK": -1} {
		if got, err := ParseSize(in); want < 0 != (err != nil) || err == nil && got != want {
			t.Errorf("ParseSize(%q) = %d, %v", in, got, err)
		}
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	var h histogram
	for i := range 10000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	near := func(got, want time.Duration) bool { return got >= want && got < want*104/100 }
	l := h.latency()
	if !near(l.P50, 5*time.Millisecond) || !near(l.P99, 9900*time.Microsecond) || l.Max != 10*time.Millisecond {
		t.Error(l)
	}
	for _, v := range []uint64{0, 31, 32, 33, 1000, 1 << 40} {
		if i := bucketOf(v); bucketTop(i) < v || i > 0 && bucketTop(i-1) >= v {
			t.Errorf("%d is in bucket %d: (%d, %d]", v, i, bucketTop(i-1), bucketTop(i))
		}
	}
}

// BenchmarkLoopback is a message of 10 KB from sender to sink, both ends.
func BenchmarkLoopback(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	sink := &Sink{Verify: true}
	go sink.Serve(l)
	defer sink.Close()
	s := &Sender{To: l.Addr().String(), Sessions: 4, Messages: b.N, Size: 10 << 10, Rcpt: "u%d@t", Pipelining: true}
	b.ReportAllocs()
	b.SetBytes(10 << 10)
	s.Run(context.Background())
}
