package load

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Rule is something the sink does to a verb instead of what it asks for:
// "RCPT=451", or "RCPT=451:10%" for one in ten. CONNECT is the greeting, DOT
// the end of a message, by DATA or BDAT, HANDSHAKE what follows the 220 to
// STARTTLS: a rule for it, whatever its code, closes the connection there.
type Rule struct {
	Verb   string
	Code   int // 0 closes the connection without a reply
	Chance float64
}

// hits throws the dice.
func (r Rule) hits(verb string) bool {
	return r.Verb == verb && (r.Chance >= 1 || rand.Float64() < r.Chance)
}

// ParseRefusal reads "VERB=CODE" or "VERB=CODE:PERCENT%".
func ParseRefusal(s string) (Rule, error) {
	verb, code, found := strings.Cut(s, "=")
	code, chance, _ := strings.Cut(code, ":")
	n, err := strconv.Atoi(code)
	if !found || err != nil || n < 400 || n > 599 {
		return Rule{}, fmt.Errorf("%q is not VERB=CODE or VERB=CODE:PERCENT%% with a code from 400 to 599", s)
	}
	return makeRule(s, verb, n, chance)
}

// ParseClose reads "VERB" or "VERB:PERCENT%".
func ParseClose(s string) (Rule, error) {
	verb, chance, _ := strings.Cut(s, ":")
	return makeRule(s, verb, 0, chance)
}

func makeRule(s, verb string, code int, chance string) (Rule, error) {
	r := Rule{Verb: strings.ToUpper(verb), Code: code, Chance: 1}
	switch r.Verb {
	case "CONNECT", "HELO", "EHLO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "DOT", "RSET", "NOOP", "QUIT", "STARTTLS", "HANDSHAKE", "AUTH":
	default:
		return r, fmt.Errorf("%q: no verb %q (CONNECT, EHLO, MAIL, RCPT, DATA, BDAT, DOT, RSET, QUIT …)", s, verb)
	}
	if chance == "" {
		return r, nil
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(chance, "%"), 64)
	if err != nil || percent <= 0 || percent > 100 {
		return r, fmt.Errorf("%q: %q is not a percentage over 0 and up to 100", s, chance)
	}
	r.Chance = percent / 100
	return r, nil
}

// maxAddresses bounds what one network of -listen opens.
const maxAddresses = 1 << 16

// ParseListen reads "ADDR:PORT", or "NETWORK/BITS:PORT" for all addresses of
// a network.
func ParseListen(s string) ([]string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(host, "/") {
		return []string{s}, nil
	}
	network, err := netip.ParsePrefix(host)
	if err != nil {
		return nil, err
	}
	network = network.Masked()
	var addrs []string
	for a := network.Addr(); network.Contains(a); a = a.Next() {
		if len(addrs) == maxAddresses {
			return nil, fmt.Errorf("%s has more than %d addresses", host, maxAddresses)
		}
		addrs = append(addrs, net.JoinHostPort(a.String(), port))
	}
	return addrs, nil
}

// ParseSize reads a number of bytes: "10240", "10K", "1M".
func ParseSize(s string) (int, error) {
	digits := strings.TrimRight(s, "KkMm")
	n, err := strconv.Atoi(digits)
	unit := map[string]int{"": 1, "K": 1 << 10, "M": 1 << 20}[strings.ToUpper(s[len(digits):])]
	if err != nil || n < 0 || unit == 0 || n > 1<<30/unit {
		return 0, fmt.Errorf("%q is not a size (10240, 10K, 1M; at most 1024M)", s)
	}
	return n * unit, nil
}
