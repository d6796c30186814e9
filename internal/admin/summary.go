package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"mtad/internal/selector"
	"mtad/spool"
)

// Group is what has something in common: one line of mtad queue summary.
type Group struct {
	Key        string    `json:"key"`
	Messages   int       `json:"messages"`
	Recipients int       `json:"recipients"`
	Bytes      int64     `json:"bytes"`
	Oldest     time.Time `json:"oldest"`
	Why        string    `json:"why,omitempty"`        // of the oldest
	LastError  string    `json:"last_error,omitempty"` // of the oldest that has one
}

// SummaryPage answers GET /api/v1/queue/summary: a part of the queue, as long as it has
// a next; whoever asks adds the parts up.
type SummaryPage struct {
	Groups []Group `json:"groups"`
	Next   uint64  `json:"next,omitempty"`
}

// groupings are what by= takes: the keys of a recipient that waits.
var groupings = map[string]func(m *Message, r *spool.Recipient) string{
	"domain": func(_ *Message, r *spool.Recipient) string { return strings.ToLower(selector.Domain(r.Address)) },
	"sender": func(m *Message, _ *spool.Recipient) string { return m.Envelope.Sender },
	"state":  func(m *Message, _ *spool.Recipient) string { return m.Summary.State },
	"host":   func(m *Message, _ *spool.Recipient) string { return m.Summary.Hosts },
	"error":  func(_ *Message, r *spool.Recipient) string { return r.LastError },
	"client": func(m *Message, _ *spool.Recipient) string { return clientOf(m.Envelope) },
	"user":   func(m *Message, _ *spool.Recipient) string { return m.Envelope.AuthID },
}

// Groupings are the names of what a summary can be made by.
func Groupings() []string {
	return []string{"domain", "host", "error", "state", "sender", "client", "user"}
}

func clientOf(e *spool.Envelope) string {
	if !e.ClientAddr.IsValid() {
		return ""
	}
	return e.ClientAddr.Addr().String()
}

func (s *Server) summary(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	name := q.Get("by")
	if name == "" {
		name = "domain"
	}
	key := groupings[name]
	part, err := slice(q)
	switch {
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
		return
	case key == nil:
		fail(w, http.StatusBadRequest, "by must be one of "+strings.Join(Groupings(), ", "))
		return
	}
	part.Max = maxPage
	ctx, cancel := asking(r)
	defer cancel()
	messages, next, err := s.opt.Daemon.List(ctx, part)
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, http.StatusOK, SummaryPage{Groups: group(messages, key), Next: next})
}

// group adds messages up, in order of their first.
func group(messages []Message, key func(*Message, *spool.Recipient) string) []Group {
	groups := []Group{}
	at := map[string]int{}
	for i := range messages {
		m := &messages[i]
		counted := map[string]bool{}
		for n := range m.Envelope.Recipients {
			rcpt := &m.Envelope.Recipients[n]
			if rcpt.State.Final() || m.Meant != nil && !slices.Contains(m.Meant, n) {
				continue
			}
			k := key(m, rcpt)
			j, known := at[k]
			if !known {
				j = len(groups)
				at[k] = j
				groups = append(groups, Group{Key: k, Oldest: m.Envelope.Received, Why: m.Summary.Why})
			}
			g := &groups[j]
			g.add(m, rcpt, !counted[k])
			counted[k] = true
		}
	}
	return groups
}

func (g *Group) add(m *Message, r *spool.Recipient, first bool) {
	g.Recipients++
	if first {
		g.Messages++
		g.Bytes += m.Envelope.Size
	}
	if g.LastError == "" {
		g.LastError = r.LastError
	}
}

// Merge adds a later part to a group.
func (g *Group) Merge(later Group) {
	g.Messages += later.Messages
	g.Recipients += later.Recipients
	g.Bytes += later.Bytes
	if later.Oldest.Before(g.Oldest) {
		g.Oldest, g.Why = later.Oldest, later.Why
	}
	if g.LastError == "" {
		g.LastError = later.LastError
	}
}
