package main

import (
	"strings"
	"testing"
	"time"

	"mtad/test/interop/peer"
)

func TestSectionIsReplacedAndTheRestKept(t *testing.T) {
	t.Parallel()
	sec, other := sections[0], sections[1]
	first := sec.replace("", "one\n")
	for _, old := range []string{first, "by hand\n", "by hand\n" + sec.start() + "one\n" + sec.end() + "more\n"} {
		got := sec.replace(other.replace(old, "2\n"), "two\n")
		if strings.Count(got, sec.start()) != 1 || !strings.Contains(got, sec.start()+"two\n"+sec.end()) || !strings.Contains(got, other.start()+"2\n"+other.end()) || strings.Contains(got, "one") {
			t.Errorf("%q became %q", old, got)
		}
		if strings.Contains(old, "by hand") && !strings.HasPrefix(got, "by hand\n") || strings.Contains(old, "more") && !strings.Contains(got, "more\n") {
			t.Errorf("%q became %q", old, got)
		}
	}
}

func TestRowCompares(t *testing.T) {
	t.Parallel()
	s := scenario{name: "x", messages: 1000, size: 1000, delay: 100 * time.Millisecond}
	results := []result{
		{scenario: s, relay: "Postfix", elapsed: 100 * time.Second, used: peer.Usage{CPU: 2 * time.Second, Written: 3_000_000}},
		{scenario: s, relay: "mtad", elapsed: 25 * time.Second, used: peer.Usage{CPU: time.Second / 2, Written: 1_100_000, PeakRSS: 5 << 20}},
	}
	want := "| x | mtad | 1000 | 40.0 (80 % of the possible 50) (× 4.0) | 0.500 (1/4.0) | – | – | 1.10 | 5 MB |"
	if got := results[1].row(results); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := results[0].row(results); !strings.Contains(got, "| 10.0 (20 % of the possible 50) | 2.000 |") {
		t.Error(got)
	}
}
