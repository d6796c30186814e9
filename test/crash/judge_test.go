package crash

import (
	"fmt"
	"testing"

	"mtad/internal/load"
)

// TestDup feeds the book one message and what the sink heard of it (DU-02).
func TestDup(t *testing.T) {
	t.Parallel()
	type event struct {
		conn int    // of the sink
		what string // "m" the message, "n" another one, "quit", "cut", "rest" for all
	}
	for _, tt := range []struct {
		name      string
		events    []event
		dup, open int
	}{
		{"once", []event{{1, "m"}, {1, "quit"}}, 0, 0},
		{"cut, then again", []event{{1, "m"}, {1, "cut"}, {2, "m"}, {2, "quit"}}, 0, 1},
		{"cut in a hand-over, then again", []event{{1, "m"}, {1, "cut in a hand-over"}, {2, "m"}, {2, "quit"}}, 0, 1},
		{"the kill is heard of late", []event{{1, "m"}, {2, "m"}, {1, "cut"}, {2, "quit"}}, 0, 1},
		{"what came before the kill is read after it", []event{{2, "m"}, {2, "quit"}, {1, "m"}, {1, "cut"}}, 0, 1},
		{"again after QUIT", []event{{1, "m"}, {1, "quit"}, {2, "m"}, {2, "quit"}}, 1, 0},
		{"again after QUIT, and cut", []event{{1, "m"}, {1, "quit"}, {2, "m"}, {2, "cut"}}, 1, 0},
		{"not the last of its connection", []event{{1, "m"}, {1, "n"}, {1, "cut"}, {2, "m"}}, 1, 0},
		{"on the same connection", []event{{1, "m"}, {1, "m"}, {1, "cut"}}, 1, 0},
		{"three lives", []event{{1, "m"}, {1, "cut"}, {2, "m"}, {2, "cut"}, {3, "m"}}, 0, 2},
		{"again after a rest", []event{{1, "m"}, {0, "rest"}, {1, "cut"}, {2, "m"}}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBook()
			for _, id := range []string{"m", "n"} {
				b.recordSent(load.Entry{Fate: load.Intent, ID: id, Rcpts: []string{"r"}})
			}
			for _, e := range tt.events {
				switch e.what {
				case "m", "n":
					b.recordGot(load.Entry{ID: e.what, Rcpts: []string{"r"}, Conn: e.conn})
				case "rest":
					b.settle()
				default:
					b.recordHangup(e.conn, map[string]load.Ending{"quit": load.Quit, "cut": load.Cut, "cut in a hand-over": load.CutHandedOn}[e.what])
				}
			}
			if v := b.judge(true); len(v.Dup) != tt.dup || v.OpenDup != tt.open {
				t.Errorf("dup %d, open %d; want %d, %d\n%v", len(v.Dup), v.OpenDup, tt.dup, tt.open, v)
			}
		})
	}
}

// TestReported feeds the book a message to a and r, of whom the sink refuses r, and
// bounces.
func TestReported(t *testing.T) {
	t.Parallel()
	bounce := func(id, about string, failed ...string) load.Entry {
		text := "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; y\r\n"
		for _, rcpt := range failed {
			text += "\r\nFinal-Recipient: rfc822;" + rcpt + "\r\nAction: failed\r\n"
		}
		text += "\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nX-Mtad-Id: " + about + "\r\n\r\nbody\r\n--x--\r\n"
		return load.Entry{ID: id, Text: []byte(text), Conn: 2, Rcpts: []string{"sender"}}
	}
	for _, tt := range []struct {
		name string
		got  []load.Entry
		want string // lost, invented, dup, malformed
	}{
		{"once", []load.Entry{bounce("E1", "m", "r")}, "0 0 0 0"},
		{"never", nil, "1 0 0 0"},
		{"in a bounce of something else", []load.Entry{bounce("E1", "n", "r")}, "1 1 0 0"},
		{"twice", []load.Entry{bounce("E1", "m", "r"), bounce("E2", "m", "r")}, "0 0 1 0"},
		{"the same bounce again, on one connection", []load.Entry{bounce("E1", "m", "r"), bounce("E1", "m", "r")}, "0 0 1 0"},
		{"who was delivered to", []load.Entry{bounce("E1", "m", "r", "a")}, "0 1 0 0"},
		{"without a message", []load.Entry{bounce("E1", "", "r")}, "1 1 0 1"},
		{"rubbish", []load.Entry{{ID: "E1", Text: []byte("\r\nhello\r\n")}}, "1 0 0 1"},
	} {
		b := newBook()
		b.refuse = func(rcpt string) bool { return rcpt == "r" }
		e := load.Entry{Fate: load.Intent, ID: "m", Sender: "sender", Rcpts: []string{"a", "r"}}
		b.recordSent(e)
		e.Fate = load.Acked
		b.recordSent(e)
		b.recordGot(load.Entry{ID: "m", Sender: "sender", Rcpts: []string{"a"}, Conn: 1})
		for _, e := range tt.got {
			b.recordGot(e)
		}
		v := b.judge(true)
		if got := fmt.Sprint(len(v.Lost), len(v.Invented), len(v.Dup), len(v.Malformed)); got != tt.want {
			t.Errorf("%s: %s, want %s\n%v", tt.name, got, tt.want, v)
		}
	}
}
