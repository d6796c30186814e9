package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"mtad/internal/mainlog"
	"mtad/spool"
)

// What goes over the wire; the client reads the same types.

// StatusReply answers GET /api/v1/status.
type StatusReply struct {
	Version         string         `json:"version"`
	Uptime          int64          `json:"uptime_seconds"`
	Ready           bool           `json:"ready"`
	Reason          string         `json:"reason,omitempty"`
	Messages        map[string]int `json:"messages"` // by state
	Recipients      int            `json:"recipients"`
	OldestSeconds   int64          `json:"oldest_seconds"`
	Connections     map[string]int `json:"delivery_connections"` // by transport
	SpoolBytes      int64          `json:"spool_bytes"`
	HostsRemembered int            `json:"hosts_remembered"`
}

// QueuePage answers GET /api/v1/queue. Next is what from= takes for the next page, 0 at the end.
type QueuePage struct {
	Messages []QueuedMessage `json:"messages"`
	Next     uint64          `json:"next,omitempty"`
}

// QueuedMessage is one message.
type QueuedMessage struct {
	ID         string            `json:"id"`
	State      string            `json:"state"`
	Received   time.Time         `json:"received"`
	Size       int64             `json:"size"`
	Sender     string            `json:"sender"`
	Client     string            `json:"client,omitempty"`
	Helo       string            `json:"helo,omitempty"`
	Protocol   string            `json:"protocol,omitempty"`
	AuthID     string            `json:"authenticated_id,omitempty"`
	MessageID  string            `json:"message_id,omitempty"`
	Due        *time.Time        `json:"due,omitempty"`
	Why        string            `json:"why,omitempty"`
	Recipients []QueuedRecipient `json:"recipients"`
}

// QueuedRecipient is one recipient of a message.
type QueuedRecipient struct {
	Address   string     `json:"address"`
	State     string     `json:"state"`
	Attempts  int        `json:"attempts"`
	LastTry   *time.Time `json:"last_try,omitempty"`
	LastError string     `json:"last_error,omitempty"`
}

// Selector says which messages are meant.
type Selector struct {
	IDs []string `json:"ids"`
}

type errorReply struct {
	Error string `json:"error"`
}

type outcomeReply struct {
	Outcome string `json:"outcome"`
}

// askLimit bounds what the daemon may take for an answer.
const askLimit = 20 * time.Second

func asking(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), askLimit)
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v) // an error here means that the client has gone
}

func fail(w http.ResponseWriter, code int, text string) { reply(w, code, errorReply{text}) }

// failed answers an error of the daemon's.
func failed(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, spool.ErrUnknown):
		fail(w, http.StatusNotFound, "no such message")
	case errors.Is(err, context.DeadlineExceeded):
		fail(w, http.StatusServiceUnavailable, "the queue is too busy to answer; try again")
	default:
		fail(w, http.StatusInternalServerError, err.Error())
	}
}

// Page sizes of GET /api/v1/queue.
const (
	defaultPage = 100
	maxPage     = 1000
)

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	var from uint64
	var err error
	if f := r.URL.Query().Get("from"); f != "" {
		if from, err = strconv.ParseUint(f, 10, 64); err != nil {
			fail(w, http.StatusBadRequest, "from must be what next was")
			return
		}
	}
	max := defaultPage
	if m := r.URL.Query().Get("max"); m != "" {
		if max, err = strconv.Atoi(m); err != nil || max < 1 || max > maxPage {
			fail(w, http.StatusBadRequest, fmt.Sprintf("max must be a number from 1 to %d", maxPage))
			return
		}
	}
	ctx, cancel := asking(r)
	defer cancel()
	messages, next, err := s.opt.Daemon.List(ctx, from, max)
	if err != nil {
		failed(w, err)
		return
	}
	page := QueuePage{Messages: make([]QueuedMessage, 0, len(messages)), Next: next}
	for _, m := range messages {
		page.Messages = append(page.Messages, view(m))
	}
	reply(w, http.StatusOK, page)
}

func (s *Server) show(w http.ResponseWriter, r *http.Request) {
	id, err := spool.ParseID(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := asking(r)
	defer cancel()
	m, err := s.opt.Daemon.Show(ctx, id)
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, http.StatusOK, view(m))
}

func (s *Server) hosts(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := asking(r)
	defer cancel()
	hosts, err := s.opt.Daemon.Hosts(ctx)
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, http.StatusOK, map[string][]Host{"hosts": append([]Host{}, hosts...)})
}

// HostSelector says which host is meant.
type HostSelector struct {
	Host string `json:"host"` // its name, its address, or address and port
}

func (s *Server) forget(w http.ResponseWriter, r *http.Request) {
	var sel HostSelector
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&sel); err != nil || sel.Host == "" {
		fail(w, http.StatusBadRequest, `the body must be {"host": "…"}`)
		return
	}
	n := s.opt.Daemon.Forget(sel.Host, who(r))
	s.audit(r, "forget", sel.Host, fmt.Sprintf("%d forgotten", n), nil)
	reply(w, http.StatusOK, Result{Done: n})
}

func (s *Server) act(verb Verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ids, err := readSelector(r.Body)
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes: ask in parts", tooLong.Limit))
			return
		}
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		ctx, cancel := asking(r)
		defer cancel()
		result, err := s.opt.Daemon.Act(ctx, verb, ids, who(r))
		s.audit(r, string(verb), target(ids), fmt.Sprintf("%d done, %d failed", result.Done, len(result.Failed)), err)
		if err != nil {
			failed(w, err)
			return
		}
		reply(w, http.StatusOK, result)
	}
}

// readSelector reads the messages that an act is for; what it does not know it refuses.
func readSelector(body io.Reader) ([]spool.ID, error) {
	var sel Selector
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&sel); err != nil {
		return nil, fmt.Errorf(`the body must be {"ids": ["…"]}: %w`, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New(`the body must be one {"ids": ["…"]} and nothing more`)
	}
	if len(sel.IDs) == 0 {
		return nil, errors.New("ids: no message is named")
	}
	ids := make([]spool.ID, len(sel.IDs))
	for i, text := range sel.IDs {
		var err error
		if ids[i], err = spool.ParseID(text); err != nil {
			return nil, fmt.Errorf("ids: %w", err)
		}
	}
	return ids, nil
}

func target(ids []spool.ID) string {
	if len(ids) == 1 {
		return ids[0].String()
	}
	return strconv.Itoa(len(ids)) + " messages"
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) {
	s.audit(r, "drain", "", "begun", nil)
	s.opt.Daemon.Drain(who(r))
	reply(w, http.StatusAccepted, outcomeReply{"draining"})
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	outcome, err := s.opt.Daemon.Reload(who(r))
	s.audit(r, "reload", "", outcome, err)
	if err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	reply(w, http.StatusOK, outcomeReply{outcome})
}

func (s *Server) audit(r *http.Request, verb, target, result string, err error) {
	if err != nil {
		result = err.Error()
	}
	s.opt.Log.Acted(mainlog.Act{Who: who(r), Verb: verb, Target: target, Result: result})
}

var stateNames = map[spool.State]string{
	spool.Pending: "pending", spool.Delivered: "delivered", spool.Failed: "failed",
	spool.Bounced: "bounced", spool.Discarded: "discarded",
}

func view(m Message) QueuedMessage {
	e := m.Envelope
	v := QueuedMessage{
		ID: e.ID.String(), State: m.Summary.State, Received: e.Received, Size: e.Size, Sender: e.Sender,
		Helo: e.Helo, Protocol: e.Protocol, AuthID: e.AuthID, MessageID: e.MessageID,
		Due: given(m.Summary.Due), Why: m.Summary.Why,
		Recipients: make([]QueuedRecipient, len(e.Recipients)),
	}
	if e.ClientAddr.IsValid() {
		v.Client = e.ClientAddr.Addr().String()
	}
	for i, r := range e.Recipients {
		v.Recipients[i] = QueuedRecipient{
			Address: r.Address, State: stateNames[r.State], Attempts: r.Attempts, LastTry: given(r.LastTry), LastError: r.LastError,
		}
	}
	return v
}

// given is nil for no time.
func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
