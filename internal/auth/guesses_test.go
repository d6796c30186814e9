package auth

import (
	"net/netip"
	"strconv"
	"testing"
	"time"
)

var noon = time.Unix(1_800_000_000, 0)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// AU-05: 10,000 tries of one host.
func TestHostBacksOff(t *testing.T) {
	t.Parallel()
	g := NewGuesses()
	host, now, tries := addr("192.0.2.1"), noon, 0
	for end := noon.Add(24 * time.Hour); now.Before(end); tries++ {
		if wait := g.Wait(now, host, ""); wait > 0 {
			now = now.Add(wait)
		}
		g.Failed(now, host, "user"+strconv.Itoa(tries))
	}
	if tries < hostLimit.free || tries > 120 {
		t.Errorf("%d tries in a day", tries)
	}
	if g.Wait(now, addr("192.0.2.2"), "") != 0 {
		t.Error("another host waits")
	}
	if g.Wait(now.Add(forgetAfter+1), host, "") != 0 {
		t.Error("it is not forgotten")
	}
	if d := g.Failed(now, host, ""); d != maxDelay {
		t.Errorf("delay %v", d)
	}
}

// AU-05: one try of each of 10,000 hosts at one user; its owner still gets in.
func TestUserBacksOffButNotItsOwner(t *testing.T) {
	t.Parallel()
	g := NewGuesses()
	home := addr("198.51.100.7")
	g.Succeeded(noon, home, "bob")
	for i := range 10_000 {
		g.Failed(noon, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), "bob")
	}
	if wait := g.Wait(noon, addr("10.9.9.9"), "bob"); wait != userLimit.max {
		t.Errorf("a stranger waits %v", wait)
	}
	if wait := g.Wait(noon, home, "bob"); wait != 0 {
		t.Errorf("the owner waits %v", wait)
	}
	if wait := g.Wait(noon, addr("10.9.9.9"), "eve"); wait != 0 {
		t.Errorf("another user waits %v", wait)
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	g := NewGuesses()
	for range hostLimit.free {
		g.Failed(noon, addr("2001:db8::1"), "")
		g.Failed(noon, addr("::ffff:192.0.2.1"), "")
	}
	for host, waits := range map[string]bool{
		"2001:db8::ffff:1": true, "2001:db8::9%eth0": true, "2001:db8:0:1::1": false,
		"192.0.2.1": true, "192.0.2.2": false,
	} {
		if (g.Wait(noon, addr(host), "") > 0) != waits {
			t.Errorf("%s: want waiting %v", host, waits)
		}
	}
}

func TestSuccessResets(t *testing.T) {
	t.Parallel()
	g := NewGuesses()
	host := addr("192.0.2.1")
	for range 50 {
		g.Failed(noon, host, "bob")
	}
	g.Succeeded(noon, host, "bob")
	if g.Wait(noon, host, "bob") != 0 || g.Wait(noon, addr("192.0.2.2"), "bob") != 0 {
		t.Error("still waiting")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	g := NewGuesses()
	for i := range 3 * maxTallies {
		g.Failed(noon, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), strconv.Itoa(i))
	}
	if g.hosts.len() > maxTallies || g.users.len() > maxTallies {
		t.Errorf("%d hosts, %d users", g.hosts.len(), g.users.len())
	}
	last := netip.AddrFrom4([4]byte{10, byte((3*maxTallies - 1) >> 16), 0xff, 0xff})
	if tally, ok := g.hosts.get(network(last)); !ok || tally.failures != 1 {
		t.Error("the last one is forgotten")
	}
}

func BenchmarkGuessesFailed(b *testing.B) {
	g, host := NewGuesses(), addr("192.0.2.1")
	for b.Loop() {
		g.Failed(noon, host, "bob")
	}
}
