package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// resolve answers a question from the servers, asking on for an alias where an
// answer ends with one.
func (r *Resolver) resolve(ctx context.Context, q question) *answer {
	here, aliases, ttl := q, 0, uint32(1<<31-1)
	for {
		f, addr, err := r.ask(ctx, here, aliases)
		if err != nil {
			return &answer{err: q.fails(Temporary, err.Error()), ttl: failureTTL}
		}
		aliases, ttl = aliases+f.hops, min(ttl, f.ttl)
		if f.alias == "" {
			return r.settle(q, f, addr, ttl)
		}
		here.name = f.alias
	}
}

// settle makes the answer of what was found at the end.
func (r *Resolver) settle(q question, f finding, addr string, ttl uint32) *answer {
	a := &answer{ttl: r.hold(f.kind, ttl)}
	switch f.kind {
	case Found:
		if a.fill(q, f.records, addr); a.kind() == Temporary {
			a.ttl = failureTTL
		}
	case NXDomain:
		a.err = q.fails(NXDomain, addr+" says NXDOMAIN")
	default:
		a.err = q.fails(NoData, addr+" says so")
	}
	return a
}

// hold returns how long an answer is kept: its TTL between floor and ceiling.
func (r *Resolver) hold(kind Kind, ttl uint32) time.Duration {
	ceiling := r.maxTTL
	if kind != Found {
		ceiling = min(ceiling, r.maxNegativeTTL)
	}
	return min(max(time.Duration(ttl)*time.Second, r.minTTL), ceiling)
}

// ask puts one question to the servers, in rounds, until one answers it. A
// server that answered with a failure is not asked again; a silent one is. The
// error says what each had to say.
func (r *Resolver) ask(ctx context.Context, q question, aliases int) (finding, string, error) {
	s := r.servers()
	var complaints []string
	failed := map[*server]bool{}
	for range s.rounds {
		for _, v := range s.inOrder() {
			if failed[v] {
				continue
			}
			f, err := r.askServer(ctx, v, s.timeout, q, aliases)
			if err == nil {
				return f, v.addr, nil
			}
			if ctx.Err() != nil {
				return finding{}, "", errors.New(strings.Join(append(complaints, "no time left to ask "+v.addr), "; "))
			}
			failed[v] = !isSilence(err)
			if c := v.addr + " " + err.Error(); !slices.Contains(complaints, c) {
				complaints = append(complaints, c)
			}
		}
	}
	return finding{}, "", errors.New(strings.Join(complaints, "; "))
}

// silence is a server that did not answer, or that cannot be got at.
type silence struct{ text string }

func (s silence) Error() string { return s.text }

func isSilence(err error) bool {
	_, ok := errors.AsType[silence](err)
	return ok
}

// askServer puts a question to one server and judges what it says.
func (r *Resolver) askServer(ctx context.Context, v *server, timeout time.Duration, q question, aliases int) (finding, error) {
	m, err := r.converse(ctx, v.addr, timeout, q)
	switch {
	case errors.Is(err, errGarbage):
		failedGarbage.Inc()
		return finding{}, err
	case err != nil:
		failedSilence.Inc()
		v.silent()
		return finding{}, silence{describe(err, timeout)}
	}
	v.answered()
	switch {
	case m.rcode != dns.RcodeSuccess && m.rcode != dns.RcodeNameError:
		failedRcode.Inc()
		return finding{}, fmt.Errorf("says %s", rcodeName(m.rcode))
	case m.rcode == dns.RcodeSuccess && len(m.answers) == 0 && !m.serves:
		failedRcode.Inc()
		return finding{}, errors.New("does not look up names for us (no recursion)")
	}
	f, err := conclude(m, q, aliases)
	if err != nil {
		failedGarbage.Inc()
		return finding{}, fmt.Errorf("gives %w", err)
	}
	return f, nil
}

// converse asks one server over UDP; without EDNS0 if it stumbles over that
// (RFC 6891 7); over TCP where UDP cut the answer or left it in doubt.
func (r *Resolver) converse(ctx context.Context, addr string, timeout time.Duration, q question) (*message, error) {
	once := func(network string, edns bool) (*message, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return r.exchange(ctx, network, addr, q, edns)
	}
	m, err := once("udp", true)
	if err == nil && (m.rcode == dns.RcodeFormatError || m.rcode == dns.RcodeNotImplemented) {
		m, err = once("udp", false)
	}
	if errors.Is(err, errDoubt) || err == nil && m.truncated {
		overTCP.Inc()
		m, err = once("tcp", true)
		if err == nil && m.rcode == dns.RcodeFormatError {
			m, err = once("tcp", false)
		}
	}
	return m, err
}

// describe says in few words why there was no answer.
func describe(err error, timeout time.Duration) string {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("did not answer within %v", timeout)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return "cannot be asked: " + err.Error()
}

func rcodeName(rcode int) string {
	if rcode == dns.RcodeBadVers { // shares its number with BADSIG, which is TSIG's
		return "BADVERS"
	}
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE %d", rcode)
}
