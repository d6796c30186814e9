package outbound

import "testing"

func TestPassage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		inTLS             bool
		handoff, fallback string
		remembered        bool
		want              Passage
	}{
		{false, "shutdown", "keep", false, AsItIs}, // H8
		{false, "shutdown", "reconnect", true, AsItIs},
		{true, "shutdown", "keep", false, ShutDown},
		{true, "shutdown", "keep", true, AsItIs},
		{true, "shutdown", "reconnect", true, Reconnect},
		{true, "shutdown", "reconnect", false, ShutDown},
		{true, "keep", "reconnect", true, AsItIs}, // H6
	} {
		if got := PassageOf(c.inTLS, c.handoff, c.fallback, c.remembered); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
