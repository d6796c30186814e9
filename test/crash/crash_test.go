package crash

import (
	"crypto/tls"
	"errors"
	"flag"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtad/internal/certs"
	"mtad/test/interop/peer"
)

var (
	kills     = flag.Int("kills", 0, "kill mtad so often and send 400 messages for each kill, and look for the mutants too; 0 is a short run")
	handovers = flag.Int("handovers", 3, "kill mtad so often while it hands connections on")
	seedFlag  = flag.Uint64("seed", 0, "repeat the choices of this seed; 0 takes a new one")
)

func seed(t *testing.T) uint64 {
	s := *seedFlag
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed %d", s)
	return s
}

// TestRun runs the harness against a relay whose faults are known.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mutant string
		found  func(*Verdict) bool
	}{
		{"", (*Verdict).Clean},
		{"M3", func(v *Verdict) bool { return len(v.Lost) > 0 }},
		{"M4", func(v *Verdict) bool { return len(v.Lost) > 0 }},
		{"forgetful", func(v *Verdict) bool { return len(v.Dup) > 0 }},
		{"torn", func(v *Verdict) bool { return len(v.Torn) > 0 }},
		{"miscounting", func(v *Verdict) bool { return len(v.Unbalanced) > 0 }},
		{"litter", func(v *Verdict) bool { return len(v.Orphans) > 0 }},
	} {
		t.Run("fake "+tt.mutant, func(t *testing.T) {
			t.Parallel()
			p := Plan{Kills: 8, Look: 4, Messages: 1000, Seed: seed(t), Rate: 2000, Sessions: 10, MaxUp: 100 * time.Millisecond,
				Grace: 300 * time.Millisecond, Limit: 30 * time.Second, Size: func(int) int { return 1500 }}
			v, err := Run(p, func(nextHop string) Relay { return newFake(nextHop, tt.mutant) })
			if err != nil {
				t.Fatalf("%v\n%v", err, v)
			}
			t.Log(v)
			if !tt.found(v) || v.Acked < 300 {
				t.Error("wrong verdict")
			}
		})
	}
}

// oneInFive recipients are refused: of messages to three, some wholly and some not.
func oneInFive(rcpt string) bool {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(rcpt, "user"), "@crash.test"))
	return err == nil && n%5 < 1
}

// TestTimeIsUp shows that a relay that hangs ends the run, and that what it has
// not delivered is not called lost.
func TestTimeIsUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ mutant, waiting string }{
		{"lazy", "waiting for the queue to empty"},
		{"mute", "under load"},
	} {
		t.Run(tt.mutant, func(t *testing.T) {
			t.Parallel()
			p := Plan{Kills: 2, Look: 2, Messages: 100, Rate: 2000, Sessions: 10, MaxUp: 10 * time.Millisecond,
				Grace: time.Hour, Limit: time.Second, Size: func(int) int { return 1500 }}
			v, err := Run(p, func(nextHop string) Relay { return newFake(nextHop, tt.mutant) })
			if !errors.Is(err, errTime) || !strings.Contains(err.Error(), tt.waiting) || !v.Clean() {
				t.Errorf("%v\n%v", err, v)
			}
		})
	}
}

// TestKills is the ledger test (A1): nothing lost, invented, torn, and dup only
// for attempts that were open; a fifth of the recipients fail, and each sender is told
// of each of his once (DU-01, DU-03, DU-17).
func TestKills(t *testing.T) {
	t.Parallel()
	bin, err := peer.BuildMtad(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	p := plan(seed(t))
	p.Refuse = oneInFive
	v, err := Run(p, relayOf(t, bin, "", ""))
	if err != nil {
		t.Fatalf("%v\n%v", err, v)
	}
	t.Log(v)
	if !v.Clean() || v.Kills < p.Kills || v.Bounces < p.Messages/10 || v.Acked+v.Unknown+v.Nacked < p.Messages {
		t.Error("see above")
	}
}

// TestKillsInHandovers kills mtad within moments of the beginning of a hand-over,
// when TLS has been shut down for the next message. Rules H1 to H4: nothing is
// lost, and what comes twice was past its dot on a connection that was cut.
func TestKillsInHandovers(t *testing.T) {
	t.Parallel()
	bin, err := peer.BuildMtad(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	p := Plan{Kills: *handovers, Look: 5, Messages: 100 * *handovers, Seed: seed(t), Rate: 1500, Sessions: 20, MaxUp: 400 * time.Millisecond,
		Grace: 5 * time.Second, Limit: time.Minute + time.Duration(*handovers)*4*time.Second, Size: func(n int) int { return 1<<10 + n*37%(9<<10) },
		TLS: sinkTLS(t), Aim: 2 * time.Millisecond}
	v, err := Run(p, relayOf(t, bin, "", "max_connections = 4\nbatch_max = 10000\ntls_groups = \"X25519\"\n"))
	if err != nil {
		t.Fatalf("%v\n%v", err, v)
	}
	t.Log(v)
	if !v.Clean() || v.Kills < p.Kills || v.HandedOn == 0 {
		t.Error("see above")
	}
}

func sinkTLS(t *testing.T) *tls.Config {
	t.Helper()
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{"127.0.0.1"}, Days: 1})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, DynamicRecordSizingDisabled: true}
}

// TestMutants shows that the harness finds what it is for, in mtad itself: M3
// answers 250 before the write, M4 forgets a message before its outcome, "twice" commits
// a bounce before what it reports.
func TestMutants(t *testing.T) {
	if *kills == 0 {
		t.Skip("only with -kills")
	}
	bin, err := peer.BuildMtad(t.TempDir(), "mutant")
	if err != nil {
		t.Fatal(err)
	}
	for _, mutant := range []string{"M3", "M4", "twice"} {
		t.Run(mutant, func(t *testing.T) {
			p := plan(seed(t))
			p.Refuse = oneInFive
			p.Limit = time.Minute
			v, err := Run(p, relayOf(t, bin, mutant, ""))
			if err != nil {
				t.Fatalf("%v\n%v", err, v)
			}
			t.Log(v)
			if v.Clean() { // M3 may also be seen by what it leaves in broken/ or sends twice
				t.Errorf("%d kills did not find it", v.Kills)
			}
		})
	}
}

func plan(seed uint64) Plan {
	p := Plan{Kills: 4, Look: 5, Messages: 1000, Seed: seed, Rate: 1500, Sessions: 20, MaxUp: 400 * time.Millisecond,
		Grace: 5 * time.Second, Limit: time.Minute}
	if *kills > 0 {
		p.Kills, p.Messages, p.MaxUp = *kills, 400**kills, 600*time.Millisecond
		p.Limit = time.Minute + time.Duration(*kills)*2*time.Second
	}
	return p
}

func relayOf(t *testing.T, bin, mutant, transport string) func(string) Relay {
	return func(nextHop string) Relay {
		m, err := newMtad(bin, t.TempDir(), nextHop, mutant)
		if err != nil {
			t.Fatal(err)
		}
		m.config.Transport = transport
		return m
	}
}
