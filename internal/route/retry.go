package route

import (
	"slices"
	"strings"
	"sync"
	"time"

	"mtad/internal/config"
	"mtad/internal/lists"
)

// Retry says when an address that was deferred is tried again, by the rules of
// [[retry]]. It is safe for concurrent use.
//
// A rule is a row of steps, each with a cutoff. The age of a failure (time since
// the first deferral) picks the step: the first whose cutoff it has not passed;
// an age that is the cutoff itself has not passed it. Step F waits for its
// interval. Step G waits for its interval at first and then for factor times the
// wait before; where the wait that led into the step was longer than its
// interval, that one is multiplied at once. Waits are whole seconds and a day at
// most. When a deferral comes behind the last cutoff the address has failed for
// good: never between two attempts, and never without one behind the cutoff.
//
// The clock may jump, so time alone does not decide:
//
//   - an attempt adds no more to the age than the longest wait of the rule and an
//     hour. Where the clock leapt ahead, or the machine was off, for longer,
//     more attempts are made before an address has failed for good.
//   - for a quarter of an hour after a jump was seen, no address fails for good.
//   - where the clock was set to a time before the first failure, the age is
//     what this number of attempts would have taken by the rule.
//
// The next attempt is never farther away than the longest wait of the rule.
type Retry struct {
	rules []retryRule
	born  time.Time
	watch jumpWatch
}

type retryRule struct {
	domains *lists.DomainList
	address *lists.AddressList // nil: all
	kinds   []string           // empty: all
	steps   []retryStep
	longest time.Duration // the longest wait
	text    string        // as an operator writes it
}

// retryStep is a step with its waits written out. They begin at the first
// deferral behind the cutoff of the step before.
type retryStep struct {
	cutoff time.Duration
	from   time.Duration   // the cutoff of the step before
	waits  []time.Duration // one after the other; the last one repeats
	begins []time.Duration // when each begins, counted from the first of them
}

const (
	longestWait = 24 * time.Hour // Exim's retry_interval_max
	slack       = time.Hour      // what an attempt itself may take
	jump        = time.Minute    // by how much a clock may be corrected without it being a jump
	settle      = 15 * time.Minute
)

// NewRetry returns the rules of a configuration. Where none matches, the
// default rule is taken: an address without a rule would fail at once.
func NewRetry(rules []config.Retry) *Retry {
	r := &Retry{born: time.Now()}
	for _, c := range append(slices.Clone(rules), config.Default().Retry...) {
		r.rules = append(r.rules, newRetryRule(c))
	}
	return r
}

func newRetryRule(c config.Retry) retryRule {
	rule := retryRule{domains: c.Domains, address: c.Addresses, kinds: c.Errors}
	var from, wait time.Duration
	for _, s := range c.Rule {
		step := newRetryStep(s, from, wait)
		from, wait = s.Cutoff, step.waits[len(step.waits)-1]
		rule.steps = append(rule.steps, step)
		rule.longest = max(rule.longest, wait)
	}
	rule.text = ruleText(c.Rule)
	return rule
}

// newRetryStep writes out the waits of a step that is entered after a wait of
// last.
func newRetryStep(s config.RetryStep, from, last time.Duration) retryStep {
	step := retryStep{cutoff: s.Cutoff, from: from}
	wait := min(s.Interval, longestWait)
	if s.Kind == 'G' && last >= s.Interval {
		wait = grow(last, s.Factor)
	}
	for begin := time.Duration(0); ; {
		step.waits = append(step.waits, wait)
		step.begins = append(step.begins, begin)
		begin += wait
		if s.Kind == 'F' || wait == longestWait || begin > s.Cutoff-from {
			return step
		}
		wait = grow(wait, s.Factor)
	}
}

// grow multiplies as Exim does, in seconds and thousandths of the factor.
func grow(wait time.Duration, factor float64) time.Duration {
	seconds := int64(wait/time.Second) * int64(factor*1000) / 1000
	return min(max(time.Duration(seconds)*time.Second, wait+time.Second), longestWait)
}

// Next returns the time of the next attempt after a deferral at now, or false
// when the address has failed for good. firstFail is the time of the first
// deferral and lastTry that of the one before this; both are zero, or now, at
// the first. Where lastTry is not known (zero, or now), the age alone picks the
// wait. attempts counts the deferrals, this one included. kind is the kind
// of the error.
func (r *Retry) Next(domain, address, kind string, firstFail, lastTry, now time.Time, attempts int) (time.Time, bool) {
	clock := time.Now() // not now: a time that was kept as a number has one clock only
	settled := r.watch.settled(clock.Round(0).Sub(r.born.Round(0)), clock.Sub(r.born))
	rule := r.rule(domain, address, kind)
	first, last, at := firstFail.Round(0), lastTry.Round(0), now.Round(0)
	if first.Unix() <= 0 { // zero, or the zero of a time kept as a number
		first = at
	}
	if lastTry.IsZero() || !last.Before(at) || last.Before(first) {
		last = time.Time{} // not to be relied on
	}
	age := rule.age(first, last, at, max(attempts, 1))
	step := rule.step(age)
	if step == nil {
		if settled {
			return time.Time{}, false
		}
		step = &rule.steps[len(rule.steps)-1]
	}
	return now.Add(step.wait(age, first, last, at)), true
}

// rule returns the first that is for the domain, the address and the kind of error;
// the last is for all.
func (r *Retry) rule(domain, address, kind string) *retryRule {
	for i := range r.rules {
		rule := &r.rules[i]
		if !rule.isFor(kind) || rule.address != nil && rule.address.Match(address).Answer != lists.Yes {
			continue
		}
		if yes, _ := rule.covers(domain); yes {
			return rule
		}
	}
	return &r.rules[len(r.rules)-1]
}

// covers reports whether a rule is for a domain, and the item that says so.
func (r *retryRule) covers(domain string) (yes bool, item string) {
	in := r.domains.Match(domain)
	return in.Answer == lists.Yes, in.Item
}

// isFor reports whether the rule is for a kind of error. "rcpt_452 quota" is of both
// kinds.
func (r *retryRule) isFor(kind string) bool {
	if len(r.kinds) == 0 {
		return true
	}
	for word := range strings.FieldsSeq(kind) {
		if slices.ContainsFunc(r.kinds, func(kind string) bool { return covers(kind, word) }) {
			return true
		}
	}
	return false
}

// covers reports whether a kind as rules name it is that of an error: an x in its code
// is any digit.
func covers(rule, kind string) bool {
	code := strings.IndexByte(rule, '_') + 1
	if len(rule) != len(kind) || rule[:code] != kind[:code] {
		return false
	}
	for i := code; i < len(rule); i++ {
		if rule[i] != kind[i] && (rule[i] != 'x' || code == 0 || kind[i] < '0' || kind[i] > '9') {
			return false
		}
	}
	return true
}

// age is how long the address has been failing, as far as the clock can be
// believed.
func (r *retryRule) age(first, last, now time.Time, attempts int) time.Duration {
	age := now.Sub(first)
	if age < 0 {
		return r.byAttempts(attempts)
	}
	each := r.longest + slack
	if attempts < int(age/each)+1 { // cannot overflow, as a product could
		age = min(age, time.Duration(attempts)*each)
	}
	if !last.IsZero() {
		age = min(age, last.Sub(first)+each)
	}
	return age
}

// step returns the step for an age; nil behind the last cutoff.
func (r *retryRule) step(age time.Duration) *retryStep {
	for i := range r.steps {
		if age <= r.steps[i].cutoff {
			return &r.steps[i]
		}
	}
	return nil
}

// byAttempts returns the age at which so many deferrals would have come by the
// rule.
func (r *retryRule) byAttempts(attempts int) time.Duration {
	var age time.Duration
	left := int64(attempts) - 1 // waits so far
	for i := range r.steps {
		s := &r.steps[i]
		for n, wait := range s.waits {
			if left == 0 || age > s.cutoff {
				break
			}
			turns := int64(1)
			if n == len(s.waits)-1 {
				turns = min(left, int64((s.cutoff-age)/wait)+1)
			}
			age, left = age+time.Duration(turns)*wait, left-turns
		}
	}
	return age
}

// wait returns how long to wait at an age. Where it is known when the attempt
// before was, the wait that led here has been of use only as far as it was
// really waited for, and as far as the step had come by then: an attempt made
// early by hand, or late after a standstill, does not carry the row onwards.
func (s *retryStep) wait(age time.Duration, first, last, now time.Time) time.Duration {
	if len(s.waits) == 1 {
		return s.waits[0]
	}
	if last.IsZero() {
		return s.waits[s.reached(age-s.from)]
	}
	waited, before := now.Sub(last), last.Sub(first)-s.from
	n := s.reached(before)
	for n >= 0 && (before < 0 || waited < s.waits[n]-s.waits[n]/16) {
		n--
	}
	return s.waits[min(n+1, len(s.waits)-1)]
}

// reached returns which wait begins at or before a time in the step.
func (s *retryStep) reached(in time.Duration) int {
	n := 0
	for n+1 < len(s.begins) && s.begins[n+1] <= in {
		n++
	}
	return n
}

// jumpWatch compares the clock on the wall with the one that only runs.
type jumpWatch struct {
	mu     sync.Mutex
	ahead  time.Duration // wall clock before running clock, when last seen
	seen   bool          // a jump was seen
	seenAt time.Duration // on the running clock
}

// settled takes both clocks' time since the same moment, and reports whether
// there has been no jump for a while.
func (w *jumpWatch) settled(wall, running time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := wall - running - w.ahead; d > jump || d < -jump {
		w.ahead, w.seen, w.seenAt = wall-running, true, running
	}
	return !w.seen || running-w.seenAt >= settle
}
