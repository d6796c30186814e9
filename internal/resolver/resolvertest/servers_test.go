package resolvertest_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"mtad/internal/resolver"
	"mtad/internal/resolver/resolvertest"
)

// several serves scripts at 192.0.2.1:53, 192.0.2.2:53 and so on.
func several(t *testing.T, scripts ...string) ([]*resolvertest.Server, func(*resolver.Config)) {
	t.Helper()
	all, at := []*resolvertest.Server{}, map[string]*resolvertest.Server{}
	var addrs []string
	for i, text := range scripts {
		s := resolvertest.Pipe(t, text)
		s.Addr = fmt.Sprintf("192.0.2.%d:53", i+1)
		all, at[s.Addr], addrs = append(all, s), s, append(addrs, s.Addr)
	}
	return all, func(c *resolver.Config) {
		c.Servers = addrs
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if s := at[addr]; s != nil {
				return s.Dial(ctx, network, addr)
			}
			return nil, fmt.Errorf("no route to %s", addr)
		}
	}
}

// asked returns how many questions each server has had since the last time.
func asked(all []*resolvertest.Server) (n []int) {
	for _, s := range all {
		n = append(n, len(s.Asked()))
	}
	return n
}

// One server's failure is the next one's turn; a silent one is asked last for a
// while, and tried again later.
func TestServersInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		zone := "a.example MX 1 mx\nb.example MX 2 mx\nc.example MX 3 mx\nd.example MX 4 mx\n"
		all, use := several(t, "* * !silent", "* * !refused", zone)
		r := dial(t, all[0], use)
		for _, step := range []struct {
			ask, want string
			after     time.Duration // how long it takes
			asked     string
			then      time.Duration
		}{
			{"mx a.example", "1 mx", 5 * time.Second, "[1 1 1]", 0},
			{"mx b.example", "2 mx", 0, "[0 1 1]", 31 * time.Second},
			{"mx c.example", "3 mx", 5 * time.Second, "[1 1 1]", 0},
		} {
			began := time.Now()
			got := say(t, r, step.ask)
			if n := fmt.Sprint(asked(all)); got != step.want || time.Since(began) != step.after || n != step.asked {
				t.Errorf("%s: %s after %v, asked %v", step.ask, got, time.Since(began), n)
			}
			time.Sleep(step.then)
		}
	})
}

// All that the servers said is in the error; who answered is not asked twice,
// who was silent is.
func TestServersAllFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all, use := several(t, "* * !silent", "* * !servfail", "a.example * !raw ff")
		r := dial(t, all[0], use)
		want := "temporary: cannot look up MX of a.example: 192.0.2.1:53 did not answer within 5s; 192.0.2.2:53 says SERVFAIL; " +
			"192.0.2.3:53 answered what makes no sense (28 bytes)"
		if got := say(t, r, "mx a.example"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if n := fmt.Sprint(asked(all)); n != "[2 1 1]" {
			t.Errorf("asked %s", n)
		}
	})
}

func TestServerAddresses(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{"192.0.2.53": true, "192.0.2.53:5353": true, "2001:db8::53": true, "[2001:db8::53]:53": true,
		"ns.example": false, "192.0.2.53:": false, "": false} {
		_, err := resolver.New(resolver.Config{Servers: []string{text}})
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), fmt.Sprintf("cannot use DNS server %q: want an address", text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// resolv.conf and hosts are read again when they change.
func TestSystemFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all, use := several(t, "a.example MX 1 one", "a.example MX 2 two\nmx.example A 192.0.2.9")
		conf, hosts := filepath.Join(t.TempDir(), "resolv.conf"), filepath.Join(t.TempDir(), "hosts")
		put := func(path, text string) {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		put(conf, "# by hand\nsearch example\nnameserver 192.0.2.1\noptions timeout:1 attempts:3\n")
		r := dial(t, all[0], use, func(c *resolver.Config) {
			c.Servers, c.ResolvConf, c.HostsFile, c.MaxTTL = nil, conf, hosts, time.Second
		})
		check := func(ask, want string) {
			t.Helper()
			if got := say(t, r, ask); got != want {
				t.Errorf("%s\n got %s\nwant %s", ask, got, want)
			}
		}
		check("mx a.example", "1 one")
		all[0].Script("* * !silent")
		check("names 192.0.2.77", "temporary: cannot look up PTR of 77.2.0.192.in-addr.arpa: 192.0.2.1:53 did not answer within 1s")
		if n := len(all[0].Asked()); n != 4 {
			t.Errorf("asked %d times, want 1 and attempts:3", n)
		}

		put(conf, "nameserver 192.0.2.2\n")
		put(hosts, "192.0.2.7  MX.example mx # ours\nrubbish\n192.0.2.8 bad_one a..b mx.example\n")
		time.Sleep(6 * time.Second)
		check("mx a.example", "2 two")
		check("addrs mx.example", "192.0.2.7, 192.0.2.8")
		check("names 192.0.2.7", "mx.example, mx")
		check("names 192.0.2.8", "bad_one, mx.example")
		check("addrs localhost", "127.0.0.1, ::1")

		if err := os.Remove(hosts); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		check("addrs mx.example", "192.0.2.9")
	})
}

// DN-10, and RFC 2308: how long answers are kept.
func TestKeeping(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		hold         time.Duration
	}{
		{"as it says", "a.example 120 MX 1 mx", 120 * time.Second},
		{"the least on the way", "a.example 50 CNAME b.example\nb.example 200 CNAME c.example\nc.example 300 MX 1 mx", 50 * time.Second},
		{"the least on the way, in single steps", "a.example 300 CNAME b.example\nb.example 200 CNAME c.example\nc.example 50 MX 1 mx\n* * !alias", 50 * time.Second},
		{"TTL 0", "a.example 0 MX 1 mx", 5 * time.Second},
		{"TTL 2^31", "a.example 2147483648 MX 1 mx", 5 * time.Second}, // RFC 2181 8
		{"TTL 2^31-1", "a.example 2147483647 MX 1 mx", time.Hour},
		{"NXDOMAIN", "example SOA 90", 90 * time.Second},
		{"NXDOMAIN, the SOA's own TTL", "example 40 SOA 90", 40 * time.Second},
		{"the least is the first of single steps", "a.example 30 CNAME b.example\nb.example 200 MX 1 mx\n* * !alias", 30 * time.Second},
		{"no data", "a.example SOA 70\na.example A 192.0.2.1", 70 * time.Second},
		{"NXDOMAIN for ever", "example SOA 2000000", 5 * time.Minute},
		{"NXDOMAIN for no time", "example SOA 0", 5 * time.Second},
		{"temporary failure", "* * !servfail", 5 * time.Second},
		{"useless MX", `a.example MX 1 \010`, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := resolvertest.Pipe(t, c.script)
				r := dial(t, s)
				first := say(t, r, "mx a.example")
				s.Asked()
				time.Sleep(c.hold - 1)
				if again := say(t, r, "mx A.EXAMPLE."); again != first || len(s.Asked()) != 0 {
					t.Errorf("before its time: %s, and asked again", again)
				}
				time.Sleep(time.Nanosecond)
				if say(t, r, "mx a.example"); len(s.Asked()) == 0 {
					t.Error("kept beyond its time")
				}
			})
		})
	}
}

// The cache is bounded, and what is used stays.
func TestCacheSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "example A 192.0.2.1")
		r := dial(t, s, func(c *resolver.Config) { c.CacheBytes = 6000 })
		say(t, r, "mx used.example")
		for i := range 100 {
			say(t, r, fmt.Sprintf("mx d%d.example", i))
			say(t, r, "mx used.example")
		}
		if n := len(s.Asked()); n != 101 {
			t.Errorf("asked %d times, want 101: what is used has to stay", n)
		}
		if say(t, r, "mx d99.example"); len(s.Asked()) != 0 {
			t.Error("the last one has gone")
		}
		if say(t, r, "mx d50.example"); len(s.Asked()) != 1 {
			t.Error("an old one is still there: what bounds it?")
		}
	})
}

// DN-09: a thousand who ask the same are one question, however many ask.
func TestCoalescing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "a.example A 192.0.2.1\n* * !slow 2s")
		r := dial(t, s)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if got := say(t, r, "addrs a.example"); got != "192.0.2.1" {
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if asked := s.Asked(); len(asked) != 2 { // A and AAAA
			t.Errorf("asked %d times", len(asked))
		}
	})
}

// DN-09: with the server dead for ten minutes and a thousand new domains a
// second, sockets, goroutines and waiting are bounded; then it works again.
func TestDeadServer(t *testing.T) { // not parallel: it counts goroutines
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "* * !silent")
		var open, most atomic.Int64
		r := dial(t, s, func(c *resolver.Config) {
			c.MaxConcurrent = 16
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := s.Dial(ctx, network, addr)
				if n := open.Add(1); n > most.Load() {
					most.Store(n)
				}
				return &counted{Conn: conn, open: &open}, err
			}
		})
		before, peak := runtime.NumGoroutine(), 0
		began := time.Now()
		for i := 0; time.Since(began) < 10*time.Minute; i++ {
			for j := range 100 { // each asks for a moment only, so that the test's own goroutines do not count
				ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
				_, err := r.LookupMX(ctx, fmt.Sprintf("d%d-%d.example", i, j))
				cancel()
				if resolver.KindOf(err) != resolver.Temporary {
					t.Fatalf("never a fact: %v", err)
				}
			}
			time.Sleep(5 * time.Second)
			peak = max(peak, runtime.NumGoroutine()-before)
		}
		if most.Load() > 16 || peak > 2048+16*4+100 {
			t.Errorf("%d sockets, %d goroutines", most.Load(), peak)
		}
		s.Script("a.example MX 1 mx")
		time.Sleep(time.Minute)
		if got := say(t, r, "mx a.example"); got != "1 mx" {
			t.Errorf("after its return: %s", got)
		}
	})
}

// Too many questions at once: the rest is told so at once, and none is lost.
func TestTooMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "* * !silent")
		r := dial(t, s, func(c *resolver.Config) { c.MaxConcurrent = 1 })
		var wg sync.WaitGroup
		var refused, outwaited atomic.Int64
		began := time.Now()
		for i := range 2050 {
			wg.Go(func() {
				switch got := say(t, r, fmt.Sprintf("mx d%d.example", i)); {
				case strings.HasSuffix(got, ": 2048 other questions wait already"):
					refused.Add(1)
				case strings.HasPrefix(got, "temporary: "):
					outwaited.Add(1)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); refused.Load() != 2 || outwaited.Load() != 2048 || took > 31*time.Second {
			t.Errorf("%d refused, %d waited in vain, all in %v", refused.Load(), outwaited.Load(), took)
		}
	})
}

type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// Ids, ports and the case of letters differ from question to question.
func TestHardToGuess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "* * !servfail")
		var mu sync.Mutex
		ids, names := map[string]bool{}, map[string]bool{}
		r := dial(t, s, func(c *resolver.Config) {
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := s.Dial(ctx, network, addr)
				return &overheard{Conn: conn, hear: func(p []byte) {
					mu.Lock()
					defer mu.Unlock()
					ids[string(p[:2])], names[string(p[12:12+17])] = true, true
				}}, err
			}
		})
		for range 100 {
			say(t, r, "mx mail-out.example")
			time.Sleep(5 * time.Second)
		}
		if len(ids) < 95 || len(names) < 95 {
			t.Errorf("%d ids, %d forms of the name in 100 questions", len(ids), len(names))
		}
	})
}

type overheard struct {
	net.Conn
	hear func([]byte)
}

func (o *overheard) Write(p []byte) (int, error) {
	o.hear(p)
	return o.Conn.Write(p)
}

// What was asked is counted by type and outcome, and nothing strangers say
// becomes a label.
func TestMetrics(t *testing.T) { // not parallel: it counts
	synctest.Test(t, func(t *testing.T) {
		s := resolvertest.Pipe(t, "a.example MX 1 mx\nb.example MX 1 mx\nb.example * !flood\nx.example A 192.0.2.1")
		r := dial(t, s)
		before := counters()
		for _, ask := range []string{"mx a.example", "mx a.example", "mx none.example", "mx x.example", "mx b.example"} {
			say(t, r, ask)
		}
		s.Script("c.example * !silent\nd.example * !servfail\ne.example * !raw 00")
		for _, ask := range []string{"mx c.example", "mx d.example", "mx e.example"} {
			say(t, r, ask)
		}
		after := counters()
		for name, want := range map[string]int{
			`mtad_dns_queries_total{type="MX",result="found"}`:     2,
			`mtad_dns_queries_total{type="MX",result="nxdomain"}`:  1,
			`mtad_dns_queries_total{type="MX",result="nodata"}`:    1,
			`mtad_dns_queries_total{type="MX",result="temporary"}`: 3,
			`mtad_dns_cache_hits_total`:                            1,
			`mtad_dns_messages_ignored_total`:                      20,
			`mtad_dns_tcp_total`:                                   1,
			`mtad_dns_server_failures_total{reason="silence"}`:     2,
			`mtad_dns_server_failures_total{reason="rcode"}`:       1,
			`mtad_dns_server_failures_total{reason="garbage"}`:     1,
		} {
			if got := after[name] - before[name]; got != want {
				t.Errorf("%s: %d, want %d", name, got, want)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%d counters became %d", len(before), len(after))
		}
	})
}

// counters returns the counters of the resolver.
func counters() map[string]int {
	var b strings.Builder
	metrics.WritePrometheus(&b, false)
	all := map[string]int{}
	for line := range strings.Lines(b.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.Atoi(value); err == nil && strings.HasPrefix(name, "mtad_dns_") {
			all[name] = n
		}
	}
	return all
}
