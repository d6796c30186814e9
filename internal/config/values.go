package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// units of a time, as Exim and Go write them.
var units = []struct {
	name string
	unit time.Duration
}{
	{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour},
	{"d", 24 * time.Hour}, {"w", 7 * 24 * time.Hour},
}

// ParseTime reads a time as Exim or Go write it: 30s, 5m, 1h30m, 4d, 1w.
func ParseTime(s string) (time.Duration, error) {
	wrong := fmt.Errorf("%q is no time; times are written 30s, 5m, 1h30m, 4d, 1w", s)
	if s == "0" {
		return 0, nil
	}
	var sum float64
	for rest := s; rest != "" || s == ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		n, err := strconv.ParseFloat(rest[:digits], 64)
		if err != nil {
			return 0, wrong
		}
		rest = rest[digits:]
		unit := time.Duration(0)
		for _, u := range units {
			if after, ok := strings.CutPrefix(rest, u.name); ok && (after == "" || after[0] <= '9') {
				unit, rest = u.unit, after
				break
			}
		}
		if unit == 0 {
			return 0, wrong
		}
		if sum += n * float64(unit); sum > math.MaxInt64/2 {
			return 0, fmt.Errorf("%q is too long a time", s)
		}
	}
	return time.Duration(sum), nil
}

// ParseSize reads a number of bytes: 1000, 10K, 50M, 2G.
func ParseSize(s string) (int64, error) {
	digits, shift := s, 0
	if s != "" {
		if i := strings.IndexByte("KMG", s[len(s)-1]&^0x20); i >= 0 {
			digits, shift = s[:len(s)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 62)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is no size; sizes are written 1000, 10K, 50M, 2G", s)
	}
	return int64(n) << shift, nil
}

// parseRate reads "100/s", "10/m", "500/h" as a number a second.
func parseRate(s string) (float64, error) {
	count, per, ok := strings.Cut(s, "/")
	seconds, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[per]
	n, err := strconv.ParseFloat(count, 64)
	if !ok || !known || err != nil || !(n > 0) || n > 1e9 {
		return 0, fmt.Errorf("%q is no rate; rates are written 100/s, 10/m, 500/h", s)
	}
	return n / seconds, nil
}

// HostPort is a next hop as written in hosts, route_list and fallback_hosts.
type HostPort struct {
	Name string     // in lower case; as written where it is an address
	Addr netip.Addr // valid where the host is given as an address
	Port int        // 0: the transport's
	MX   bool       // Name's mail exchangers are meant
}

// ParseHostPort reads "mx.example.com", "mx.example.com:26", "192.0.2.1:25",
// "2001:db8::1", "[2001:db8::1]:25", "mx:example.com" or "mx:example.com:26".
func ParseHostPort(s string) (HostPort, error) {
	if domain, ok := strings.CutPrefix(s, "mx:"); ok && strings.Trim(domain, "0123456789") != "" {
		h, err := ParseHostPort(domain)
		if err == nil && (h.Addr.IsValid() || h.MX) {
			err = fmt.Errorf("%q: mx: is followed by a domain", s)
		}
		h.MX = true
		return h, err
	}
	host, port := s, ""
	if addr, err := netip.ParseAddr(s); err == nil {
		return HostPort{Name: s, Addr: addr.Unmap()}, nil
	}
	if inside, ok := strings.CutPrefix(s, "["); ok {
		addr, rest, closed := strings.Cut(inside, "]")
		if _, err := netip.ParseAddr(addr); !closed || err != nil || rest != "" && rest[0] != ':' {
			return HostPort{}, fmt.Errorf("%q is no host; an IPv6 address with a port is written [2001:db8::1]:25", s)
		}
		host, port = addr, rest
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i:]
	}
	h := HostPort{Name: host}
	if port != "" {
		n, err := strconv.ParseUint(port[1:], 10, 16)
		if err != nil || n == 0 {
			return HostPort{}, fmt.Errorf("%q: the port is a number from 1 to 65535", s)
		}
		h.Port = int(n)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		h.Addr = addr.Unmap()
		return h, nil
	}
	h.Name = strings.ToLower(strings.TrimSuffix(host, "."))
	return h, checkHostName(h.Name)
}

// checkHostName finds what cannot be the name of a host.
func checkHostName(name string) error {
	if name == "" {
		return errors.New("the name of a host is missing")
	}
	if len(name) > 253 {
		return fmt.Errorf("a host name of %d characters; 253 is the most", len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		ok := label != "" && len(label) <= 63 && label[0] != '-' && label[len(label)-1] != '-'
		for _, c := range []byte(label) {
			ok = ok && (c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
		}
		if !ok {
			return fmt.Errorf("%q is neither a host name nor an address", name)
		}
	}
	if strings.Trim(name, "0123456789.") == "" {
		return fmt.Errorf("%q is not an IPv4 address, which has four numbers from 0 to 255", name)
	}
	return nil
}

// parseRetryRule reads "F,2h,15m; G,16h,1h,1.5".
// times expects Exim's list of times; 0 and "" are none.
func times(raw any) (Times, error) {
	if n, ok := raw.(int64); ok && n == 0 {
		return nil, nil
	}
	return stringOf(raw, `times, as in "4h:8h:24h"`, parseTimes)
}

func parseTimes(s string) (all Times, err error) {
	if s == "" || s == "0" {
		return nil, nil
	}
	for part := range strings.SplitSeq(s, ":") {
		t, err := ParseTime(strings.TrimSpace(part))
		switch {
		case err != nil:
			return nil, err
		case t < time.Minute:
			return nil, fmt.Errorf("%s is too little; the least is 1m", t)
		case len(all) > 0 && t <= all[len(all)-1]:
			return nil, fmt.Errorf("%q is not later than the time before it", part)
		}
		all = append(all, t)
	}
	return all, nil
}

func parseRetryRule(s string) ([]RetryStep, error) {
	var steps []RetryStep
	for i, part := range strings.Split(strings.TrimRight(s, "; \t"), ";") {
		step, err := parseRetryStep(strings.TrimSpace(part))
		if err == nil && i > 0 && step.Cutoff <= steps[i-1].Cutoff {
			err = errors.New("its cutoff is not later than that of the step before it")
		}
		if err != nil {
			return nil, fmt.Errorf("step %d, %q: %w", i+1, strings.TrimSpace(part), err)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func parseRetryStep(s string) (RetryStep, error) {
	f := strings.Split(s, ",")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	var step RetryStep
	switch {
	case f[0] != "F" && f[0] != "G":
		return step, errors.New("a step begins with F or G: F,2h,15m or G,16h,1h,1.5")
	case f[0] == "F" && len(f) != 3:
		return step, errors.New("F is followed by a cutoff and an interval: F,2h,15m")
	case f[0] == "G" && len(f) != 4:
		return step, errors.New("G is followed by a cutoff, an interval and a factor: G,16h,1h,1.5")
	}
	step.Kind = f[0][0]
	var err error
	if step.Cutoff, err = ParseTime(f[1]); err != nil {
		return step, fmt.Errorf("cutoff: %w", err)
	}
	if step.Interval, err = ParseTime(f[2]); err != nil {
		return step, fmt.Errorf("interval: %w", err)
	}
	if step.Interval < time.Second {
		return step, errors.New("interval: a second is the least")
	}
	if step.Kind == 'F' {
		return step, nil
	}
	step.Factor, err = strconv.ParseFloat(f[3], 64)
	if err != nil || !(step.Factor > 1) || step.Factor > 100 {
		return step, fmt.Errorf("factor: %q is not a number above 1 and up to 100", f[3])
	}
	return step, nil
}
