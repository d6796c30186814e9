package route

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtad/internal/config"
)

// load reads a configuration of these lines.
func load(t testing.TB, text string) *config.Config {
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const someRouter = `
[[router]]
name = "r"
driver = "domainlist"
hosts = ["192.0.2.1"]
`

func TestRetryTimes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/retry.txt")
	if err != nil {
		t.Fatal(err)
	}
	var s *story
	for n, line := range strings.Split(string(text), "\n") {
		if rule, ok := strings.CutPrefix(line, "rule "); ok {
			s = &story{retry: NewRetry(load(t, someRouter+"[[retry]]\nrule = \""+rule+"\"").Retry), first: time.Unix(1_700_000_000, 0)}
		} else if at, want, ok := strings.Cut(line, "->"); ok && line[0] != '#' {
			if got := s.deferral(t, strings.TrimSpace(at)); got != strings.TrimSpace(want) {
				t.Errorf("retry.txt:%d: %s: %s", n+1, line, got)
			}
		}
	}
}

// story is the life of one deferred address.
type story struct {
	retry            *Retry
	first, last, due time.Time
	attempts         int
}

func (s *story) deferral(t *testing.T, at string) string {
	now := s.first
	if late, ok := strings.CutPrefix(at, "due"); ok {
		n, _ := strconv.Atoi(strings.TrimPrefix(late, "+"))
		now = s.due.Add(time.Duration(n) * time.Second)
	} else {
		n, err := strconv.Atoi(at)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Duration(n) * time.Second)
	}
	s.attempts++
	next, ok := s.retry.Next("example.com", "a@example.com", "timeout", s.first, s.last, now, s.attempts)
	s.last, s.due = now, next
	if !ok {
		return "failed"
	}
	return strconv.FormatFloat(next.Sub(now).Seconds(), 'f', -1, 64)
}

func TestRetryRuleByDomainAndKind(t *testing.T) {
	t.Parallel()
	r := NewRetry(load(t, someRouter+`
[[retry]]
domains = "a.example"
errors = ["refused", "tls"]
rule = "F,1h,1m"
[[retry]]
domains = "a.example"
rule = "F,1h,2m"
`).Retry)
	for _, c := range []struct {
		domain, kind string
		want         time.Duration
	}{
		{"a.example", "refused", time.Minute},
		{"A.example", "tls", time.Minute},
		{"a.example", "timeout", 2 * time.Minute},
		{"b.example", "refused", 15 * time.Minute},
	} {
		now := time.Now()
		if next, ok := r.Next(c.domain, "x@"+c.domain, c.kind, time.Time{}, time.Time{}, now, 1); !ok || next.Sub(now) != c.want {
			t.Errorf("%s, %s: %v, %v; want %v", c.domain, c.kind, next.Sub(now), ok, c.want)
		}
	}
}

// Times that were kept as numbers bear no second clock, and zero is 1970.
func TestRetryTimesFromNumbers(t *testing.T) {
	t.Parallel()
	r := NewRetry(nil)
	at := time.Unix(0, time.Now().UnixNano())
	for range 2 { // the second time beside calls that bear both clocks
		next, ok := r.Next("d", "a@d", "", time.Unix(0, 0), time.Unix(0, 0), at, 1)
		if !ok || next.Sub(at) != 15*time.Minute {
			t.Errorf("first deferral: %v, %v", next.Sub(at), ok)
		}
		// lastTry is now: the age picks the wait.
		if next, ok = r.Next("d", "a@d", "", at.Add(-195*time.Minute), at, at, 10); !ok || next.Sub(at) != 90*time.Minute {
			t.Errorf("in step G: %v, %v", next.Sub(at), ok)
		}
		if _, ok = r.Next("d", "a@d", "", at.Add(-97*time.Hour), at.Add(-6*time.Hour), at, 30); ok {
			t.Error("not failed behind the last cutoff")
		}
		r.Next("d", "a@d", "", time.Time{}, time.Time{}, time.Now(), 1)
	}
}

// Whatever the clock says, the next attempt is ahead, and not farther away than
// the longest wait.
func FuzzNext(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0), 1)
	f.Add(int64(100), int64(1<<60), int64(-1<<60), 1<<40)
	rules := NewRetry(nil)
	longest := rules.rules[0].longest
	f.Fuzz(func(t *testing.T, first, last, now int64, attempts int) {
		at := time.Unix(0, now)
		next, ok := rules.Next("d", "a@d", "", time.Unix(0, first), time.Unix(0, last), at, attempts)
		if gap := next.Sub(at); ok && (gap < time.Second || gap > longest) {
			t.Errorf("next in %v", gap)
		}
	})
}

// While the wall clock has just jumped, nothing fails for good.
func TestJumpWatch(t *testing.T) {
	t.Parallel()
	var w jumpWatch
	for _, c := range []struct {
		wall, running time.Duration
		want          bool
	}{
		{0, 0, true},
		{time.Hour, time.Hour, true},
		{time.Hour + 30*time.Second, time.Hour, true}, // corrected, not jumped
		{3 * time.Hour, 2 * time.Hour, false},
		{3*time.Hour + 14*time.Minute, 2*time.Hour + 14*time.Minute, false},
		{3*time.Hour + 15*time.Minute, 2*time.Hour + 15*time.Minute, true},
		{3 * time.Hour, 3 * time.Hour, false}, // undone
		{4 * time.Hour, 4 * time.Hour, true},
	} {
		if got := w.settled(c.wall, c.running); got != c.want {
			t.Errorf("wall %v, running %v: settled %v", c.wall, c.running, got)
		}
	}
}

func TestNoExpiryWhileUnsettled(t *testing.T) {
	t.Parallel()
	r := NewRetry(load(t, someRouter+"[[retry]]\nrule = \"F,1h,10m\"").Retry)
	now := time.Now()
	ask := func() bool {
		_, ok := r.Next("d", "a@d", "", now.Add(-2*time.Hour), now.Add(-10*time.Minute), now, 10)
		return ok
	}
	if ask() {
		t.Fatal("not failed behind the last cutoff")
	}
	r.watch.settled(10*time.Hour, 0)
	r.watch.ahead = 0 // undone, just now
	if !ask() {
		t.Error("failed right behind a jump of the clock")
	}
}

func BenchmarkNext(b *testing.B) {
	r := NewRetry(nil)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		r.Next("example.com", "a@example.com", "timeout", now.Add(-5*time.Hour), now.Add(-time.Hour), now, 12)
	}
}

// Rules are chosen by domain, address and kind of error; a full mailbox is of two kinds.
func TestRuleForAddressAndKind(t *testing.T) {
	t.Parallel()
	r := NewRetry(load(t, someRouter+`
[[retry]]
addresses = ["vip@x.example"]
rule = "F,1d,1m"
[[retry]]
domains = "x.example"
errors = ["quota"]
rule = "F,1d,2h"
[[retry]]
errors = ["rcpt_45x"]
rule = "F,1d,4m"
[[retry]]
errors = ["rcpt_4xx"]
rule = "F,1d,3m"
`).Retry)
	now := time.Now()
	for _, c := range []struct {
		address, kind string
		want          time.Duration
	}{
		{"vip@x.example", "rcpt_4xx quota", time.Minute},
		{"a@x.example", "rcpt_4xx quota", 2 * time.Hour},
		{"a@x.example", "rcpt_4xx", 3 * time.Minute},
		{"a@x.example", "rcpt_421", 3 * time.Minute},
		{"a@x.example", "rcpt_452", 4 * time.Minute},
		{"a@x.example", "data_452", 15 * time.Minute},
		{"a@x.example", "rcpt_45", 15 * time.Minute},
		{"a@y.example", "rcpt_4xx quota", 3 * time.Minute},
		{"a@y.example", "data_4xx quota", 15 * time.Minute},
		{"", "", 15 * time.Minute},
	} {
		domain := c.address[strings.IndexByte(c.address, '@')+1:]
		if next, ok := r.Next(domain, c.address, c.kind, now, now, now, 1); !ok || next.Sub(now) != c.want {
			t.Errorf("%s %s: %v, want %v", c.address, c.kind, next.Sub(now), c.want)
		}
	}
}
