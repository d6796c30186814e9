package queue

import (
	"encoding/json"
	"strings"
	"time"

	"mtad/spool"
)

// A suspension is kept in the spool as a fact: its key is "suspend SCOPE PATTERN".

const suspendWord = "suspend"

// suspensionValue is the fact's value.
type suspensionValue struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
	Who   string    `json:"who"`
	Why   string    `json:"why,omitempty"`
}

// maxWord bounds who and why, so that a fact is well below the spool's kilobyte.
const maxWord = 200

func (s Suspension) fact() spool.HostFact {
	value, err := json.Marshal(suspensionValue{s.Since.UTC(), s.Until.UTC(), bound(s.Who), bound(s.Why)})
	if err != nil {
		value = []byte("{}") // a year beyond 9999: without an end
	}
	return spool.HostFact{Key: strings.TrimSpace(strings.Join([]string{suspendWord, s.Scope, s.Pattern}, " ")), Value: value}
}

func bound(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxWord)], "")
}

// ParseSuspension reads a fact; ok is false for one of another kind.
func ParseSuspension(f spool.HostFact) (s Suspension, ok bool) {
	rest, ok := strings.CutPrefix(f.Key, suspendWord+" ")
	if !ok {
		return s, false
	}
	s.Scope, s.Pattern, _ = strings.Cut(rest, " ")
	var v suspensionValue
	if err := json.Unmarshal(f.Value, &v); err != nil {
		return s, false
	}
	s.Since, s.Who, s.Why = v.Since, v.Who, v.Why
	if !v.Until.IsZero() {
		s.Until = v.Until.Local()
	}
	return s, s.Scope == SuspendAll || s.Scope == SuspendDomain || s.Scope == SuspendSite
}

// RestoreSuspension takes in one that the spool remembers. One that is over already
// ends with Start.
func (c *Core) RestoreSuspension(now time.Time, s Suspension) {
	c.advance(now)
	if c.suspensionNamed(s.Scope, s.Pattern) == nil && len(c.susp.list) < MaxSuspensions {
		c.suspend(s)
	}
}
