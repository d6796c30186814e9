package crash

import (
	"testing"

	"mtad/internal/load"
)

// TestDup feeds the book one message and what the sink heard of it.
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
