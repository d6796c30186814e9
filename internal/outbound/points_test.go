package outbound

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// point is a place in a session where the server may vanish.
type point struct {
	name   string
	script string // what it did until then
	want   string // "no session", a scope, "delivered"
}

const greeted = "S: 220 mx\nC: EHLO relay.example.net\n"

func points(ext string, group bool) []point {
	ehlo := greeted + "S: 250-mx\nS: 250 " + ext + "\n"
	mail, rcpt, data := "C: MAIL FROM:<a@x.example>\n", "C: RCPT TO:<b@y.example>\n", "C: DATA\n"
	if group {
		ehlo, mail, rcpt, data = ehlo+mail+rcpt+data, "", "", ""
	}
	toMail := ehlo + mail
	toRcpt := toMail + "S: 250 ok\n" + rcpt
	toData := toRcpt + "S: 250 ok\n" + data
	toBody := toData + "S: 354 go\n"
	toDot := toBody + "C: Subject: hi\nC: \nC: ..dot\nC: hi\nC: .\n"
	return []point{
		{"greeting", "", "no session"},
		{"in the greeting", "cut 220 m\n", "no session"},
		{"EHLO", greeted, "no session"},
		{"in the reply to EHLO", greeted + "S: 250-mx\ncut 250 PI\n", "no session"},
		{"MAIL", toMail, "host"},
		{"in the reply to MAIL", toMail + "cut 250\n", "host"},
		{"RCPT", toRcpt, "host"},
		{"in the reply to RCPT", toRcpt + "cut 550 no\n", "host"},
		{"DATA", toData, "host"},
		{"in the reply to DATA", toData + "cut 354 go\n", "host"},
		{"message", toBody, "message"},
		{"in the message", toBody + "C: Subject: hi\n", "message"},
		{"dot", toDot, "message in doubt"},
		{"in the reply to the dot", toDot + "cut 250 O\n", "message in doubt"},
		{"after the reply to the dot", toDot + "S: 250 OK\n", "delivered"},
		{"QUIT", toDot + "S: 250 OK\nC: QUIT\n", "delivered"},
	}
}

// TestPeerVanishes is THREATS A7, out: RST, FIN and silence at each point. A
// message is delivered where the whole 250 is there, and nowhere else; it is
// never refused.
func TestPeerVanishes(t *testing.T) {
	for mode, ps := range map[string][]point{"pipelined": points("PIPELINING", true), "stepwise": points("X", false)} {
		for _, p := range ps {
			name := mode + "/" + p.name + "/"
			for _, how := range []string{"close", "rst"} {
				t.Run(name+how, func(t *testing.T) {
					t.Parallel()
					client, server := tcpPair(t)
					p.check(t, how, client, server)
				})
			}
			t.Run(name+"silence", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					p.check(t, "silence", client, server)
				})
			})
		}
	}
}

func (p point) check(t *testing.T, how string, client, server net.Conn) {
	d := &dialogue{path: p.name, messages: []string{"to=b@y.example"}, set: []string{"quit"}}
	script := strings.Split(strings.TrimSuffix(p.script, "\n")+"\n"+how, "\n")
	if p.script == "" {
		script = []string{how}
	}
	served := make(chan error, 1)
	go func() { served <- serveLoosely(server, script) }()
	got := d.play(t, client, settings(d.set))
	if err := <-served; err != nil {
		t.Error(err)
	}
	if how == "silence" && !strings.Contains(got, "timeout") && p.want != "delivered" {
		t.Errorf("no time-out: %s", got)
	}
	ok := false
	switch p.want {
	case "no session":
		ok = strings.HasPrefix(got, "no session: host ")
	case "delivered":
		ok = strings.HasPrefix(got, `"b@y.example" delivered C="250 OK"`+"\n")
	default:
		scope, _, doubt := strings.Cut(p.want, " ")
		ok = strings.HasPrefix(got, `"b@y.example" deferred (`+scope+" ") && strings.Contains(got, "usable=false") &&
			(!doubt || strings.Contains(got, ") in doubt: "))
	}
	if !ok {
		t.Errorf("want %s, got\n%s", p.want, got)
	}
}

// serveLoosely is serve with a silent server that hears out whatever comes.
func serveLoosely(conn net.Conn, script []string) error {
	if script[len(script)-1] != "silence" {
		return serve(conn, script)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	err := follow(conn, in, script)
	io.Copy(io.Discard, in)
	return err
}
