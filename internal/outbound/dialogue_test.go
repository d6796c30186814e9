package outbound

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtad/spool"
)

var update = flag.Bool("update", false, "write the results into testdata")

// A dialogue is a file of testdata: who sends what, what the server reads (C:)
// and writes (S:), and, behind "---", what came of it. It is played over TCP,
// and over a pipe with time of its own, where silence costs nothing.
//
//	set: lmtp max_rcpt=2 quit    of the connection
//	on: tcp                      (or pipe) where it makes sense on one of them only
//	message: from=a@x to=b@y,c@y size=99 8bit body=broken ...   one line a message
//	S: 250 ok
//	C: RSET
//	cut S-text                   written without the end of its line
//	close, rst, silence          the end
type dialogue struct {
	path     string
	source   []byte // up to ---
	want     string
	set      []string
	on       string
	messages []string
	script   []string
}

func dialogues(t *testing.T) []*dialogue {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues:", err)
	}
	var all []*dialogue
	for _, path := range files {
		all = append(all, readDialogue(t, path))
	}
	return all
}

func (d *dialogue) name() string { return strings.TrimSuffix(filepath.Base(d.path), ".txt") }

func TestDialogues(t *testing.T) {
	for _, d := range dialogues(t) {
		name := d.name()
		if d.on != "pipe" {
			t.Run(name+"/tcp", func(t *testing.T) {
				t.Parallel()
				client, server := tcpPair(t)
				d.check(t, client, server)
			})
		}
		if d.on != "tcp" {
			t.Run(name+"/pipe", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					d.check(t, client, server)
				})
			})
		}
	}
}

func readDialogue(t *testing.T, path string) *dialogue {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	source, want, _ := bytes.Cut(text, []byte("---\n"))
	d := &dialogue{path: path, source: source, want: string(want)}
	for line := range strings.Lines(string(source)) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || word == "#":
		case word == "set:":
			d.set = strings.Fields(rest)
		case word == "on:":
			d.on = rest
		case word == "message:":
			d.messages = append(d.messages, rest)
		default:
			d.script = append(d.script, line)
		}
	}
	return d
}

// check plays both sides and compares what came of it.
func (d *dialogue) check(t *testing.T, client, server net.Conn) {
	d.checkWith(t, client, settings(d.set), func() error { return serve(server, d.script) }, strings.NewReplacer())
}

func (d *dialogue) checkWith(t *testing.T, client net.Conn, s *Settings, server func() error, words *strings.Replacer) {
	served := make(chan error, 1)
	go func() { served <- server() }()
	got := words.Replace(d.play(t, client, s))
	if err := <-served; err != nil {
		t.Errorf("%s: server: %v", d.path, err)
	}
	if *update {
		text := append(append(bytes.Clone(d.source), "---\n"...), got...)
		if err := os.WriteFile(d.path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != d.want {
		t.Errorf("%s:\n--- got\n%s--- want\n%s", d.path, got, d.want)
	}
}

// play is the client: all messages on one connection, as long as it lasts.
func (d *dialogue) play(t *testing.T, tcp net.Conn, s *Settings) string {
	var b strings.Builder
	conn, f := open(t.Context(), tcp, testTarget, s, "")
	if f != nil {
		fmt.Fprintf(&b, "no session: %s\n", tellFault(f))
		return b.String()
	}
	for i, line := range d.messages {
		env, body := message(t, line)
		conn.HandedOn = i > 0
		record := func(fates []Fate) error {
			b.WriteString(tellFates(env, fates) + "recorded\n")
			return nil
		}
		var rcpts []int
		for i := range env.Recipients {
			rcpts = append(rcpts, i)
		}
		res := deliver(t.Context(), conn, s, env, rcpts, body, record)
		b.WriteString(tellFates(env, res.Fates))
		if res.Fault != nil {
			fmt.Fprintf(&b, "fault: %s\n", tellFault(res.Fault))
		}
		if res.Again {
			b.WriteString("again\n")
		}
		fmt.Fprintf(&b, "usable=%t clean=%t\n", conn.Usable(), conn.Clean)
		if !conn.Usable() {
			break
		}
	}
	for _, option := range d.set {
		if option == "quit" {
			conn.Quit(t.Context())
		}
	}
	conn.Abort()
	return b.String()
}

var testTarget = Target{Name: "mx.y.example", Addr: netip.MustParseAddrPort("192.0.2.9:25"), IP: "192.0.2.9"}

func settings(options []string) *Settings {
	s := &Settings{
		Helo: "relay.example.net", MaxRcpt: 100, ConnectTimeout: 5 * time.Minute, CommandTimeout: 5 * time.Minute,
		DataTimeout: 5 * time.Minute, FinalTimeout: 10 * time.Minute,
	}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "lmtp":
			s.LMTP = true
		case "max_rcpt":
			s.MaxRcpt, _ = strconv.Atoi(value)
		}
	}
	return s
}

// message reads a message: line. Words with %XX in them are decoded.
func message(t *testing.T, line string) (*spool.Envelope, content) {
	env := &spool.Envelope{Sender: "a@x.example", Size: 24}
	var body content = memory("Subject: hi\r\n\r\n..dot\r\nhi\r\n")
	for _, word := range strings.Fields(line) {
		key, value, _ := strings.Cut(word, "=")
		value = strings.NewReplacer("%20", " ", "%0D", "\r", "%0A", "\n", "%00", "\x00", "%2C", "\x01").Replace(value)
		switch key {
		case "from":
			env.Sender = value
		case "to":
			for _, a := range strings.Split(value, ",") {
				env.Recipients = append(env.Recipients, spool.Recipient{Address: strings.ReplaceAll(a, "\x01", ",")})
			}
		case "size":
			env.Size, _ = strconv.ParseInt(value, 10, 64)
		case "8bit":
			env.EightBit = true
		case "ret":
			env.Ret = map[string]spool.Ret{"full": spool.RetFull, "hdrs": spool.RetHdrs}[value]
		case "envid":
			env.EnvID = value
		case "notify":
			n, _ := strconv.Atoi(value)
			env.Recipients[0].Notify = spool.Notify(n)
		case "orcpt":
			env.Recipients[0].Orcpt = value
		case "body":
			body = bodies[value]
		default:
			t.Fatalf("message: %s?", key)
		}
	}
	return env, body
}

var bodies = map[string]content{
	"empty":    memory(""),
	"endless":  memory("no end"),
	"streamed": stream{text: "Subject: hi\r\n\r\nstreamed\r\n"},
	"broken":   stream{text: "Subject: hi\r\n\r\nhalf of\r\n", err: fmt.Errorf("%w: checksum", spool.ErrBroken)},
}

// memory is a body in two pieces.
type memory string

func (m memory) Buffers() net.Buffers {
	return net.Buffers{[]byte(m[:len(m)/2]), []byte(m[len(m)/2:])}
}
func (m memory) WriteTo(io.Writer) (int64, error) { return 0, errors.New("BUG: not streamed") }

// stream is a body of a file.
type stream struct {
	text string
	err  error
}

func (stream) Buffers() net.Buffers { return nil }

func (s stream) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for line := range strings.Lines(s.text) {
		n, err := io.WriteString(w, line)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, s.err
}

// serve is the server: it does what the script says and nothing else.
func serve(conn net.Conn, script []string) error {
	return serveFrom(conn, bufio.NewReader(conn), script)
}

func serveFrom(conn net.Conn, in *bufio.Reader, script []string) error {
	defer conn.Close()
	if last := script[len(script)-1]; last == "close" || last == "rst" {
		return follow(conn, in, script)
	}
	return errors.Join(follow(conn, in, script), quiet(in))
}

// follow does what the script says.
func follow(conn net.Conn, in *bufio.Reader, script []string) error {
	for n, line := range script {
		word, rest, _ := strings.Cut(line, " ")
		var err error
		switch word {
		case "S:":
			_, err = io.WriteString(conn, unescape(rest)+"\r\n")
		case "cut":
			_, err = io.WriteString(conn, unescape(rest))
		case "C:":
			err = expect(in, rest+"\r\n")
		case "close":
			return nil
		case "rst":
			return conn.(interface{ SetLinger(int) error }).SetLinger(0)
		case "silence":
			return nil
		default:
			err = errors.New("unknown directive")
		}
		if err != nil {
			return fmt.Errorf("line %d, %s: %w", n+1, line, err)
		}
	}
	return nil
}

func expect(in *bufio.Reader, want string) error {
	got, err := in.ReadString('\n')
	if err != nil || got != want {
		return fmt.Errorf("read %q (%v)", got, err)
	}
	return nil
}

// quiet waits for the end of the connection; until then nothing may come.
func quiet(in *bufio.Reader) error {
	rest, _ := io.ReadAll(in)
	if len(rest) > 0 && string(rest) != "QUIT\r\n" {
		return fmt.Errorf("unexpected: %q", rest)
	}
	return nil
}

// unescape makes bytes of \x.. and repeats of {text*n}.
func unescape(s string) string {
	s = strings.NewReplacer(`\e`, "\x1b", `\r`, "\r", `\0`, "\x00", `\xff`, "\xff").Replace(s)
	before, rest, ok := strings.Cut(s, "{")
	if !ok {
		return s
	}
	repeat, after, _ := strings.Cut(rest, "}")
	text, times, _ := strings.Cut(repeat, "*")
	n, _ := strconv.Atoi(times)
	return before + strings.Repeat(strings.ReplaceAll(text, `\n`, "\r\n"), n) + after
}

func tellFates(env *spool.Envelope, fates []Fate) string {
	var b strings.Builder
	for _, f := range fates {
		fmt.Fprintf(&b, "%q %s", env.Recipients[f.Rcpt].Address, [...]string{"delivered", "deferred", "failed"}[f.Kind])
		if f.Kind == Delivered {
			fmt.Fprintf(&b, " C=%q\n", f.Reply)
		} else {
			fmt.Fprintf(&b, " (%s %q %d): %s\n", scopes[f.Scope], f.ErrNo, f.Code, f.Error)
		}
	}
	return b.String()
}

func tellFault(f *Fault) string {
	s := fmt.Sprintf("%s %q (%d)", scopes[f.Scope], f.Kind, f.Code)
	for _, mark := range []struct {
		on   bool
		word string
	}{{f.Permanent, "permanent"}, {f.Busy, "busy"}, {f.InDoubt, "in doubt"}} {
		if mark.on {
			s += " " + mark.word
		}
	}
	return s + ": " + f.Text
}

var scopes = [...]string{"none", "recipient", "message", "host", "session"}

// tcpPair is a connection over loopback.
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
	return client, server
}
