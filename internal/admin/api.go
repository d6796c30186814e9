package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"mtad/internal/config"
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
	Suspensions     int            `json:"suspensions"`
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
	Rule       string            `json:"rule,omitempty"`     // the retry rule that decided when
	NextHop    string            `json:"next_hop,omitempty"` // where it is bound, once that is known
	Recipients []QueuedRecipient `json:"recipients"`
}

// QueuedRecipient is one recipient of a message.
type QueuedRecipient struct {
	Address   string     `json:"address"`
	State     string     `json:"state"`
	Attempts  int        `json:"attempts"`
	LastTry   *time.Time `json:"last_try,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	Route     string     `json:"route,omitempty"` // where an operator sends it: router=NAME or hosts=LIST
	Meant     bool       `json:"meant,omitempty"` // the selector means this one, and not all of the message
}

type errorReply struct {
	Error    string   `json:"error"`
	Mistakes []string `json:"mistakes,omitempty"` // of a configuration: "file:line: option: what is wrong"
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

func fail(w http.ResponseWriter, code int, text string) {
	reply(w, code, errorReply{Error: text})
}

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

func (s *Server) drain(w http.ResponseWriter, r *http.Request) {
	s.audit(r, "drain", "", "begun", nil)
	s.opt.Daemon.Drain(who(r))
	reply(w, http.StatusAccepted, outcomeReply{"draining"})
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	outcome, err := s.opt.Daemon.Reload(who(r))
	first, _, _ := strings.Cut(outcome, "\n") // the log has the rest already
	wrong := WrongConfig{}
	if faults := new(config.Errors); errors.As(err, &faults) {
		for _, m := range faults.Mistakes {
			wrong.Mistakes = append(wrong.Mistakes, m.String())
		}
		err = wrong
	}
	s.audit(r, "reload", "", first, err)
	switch {
	case wrong.Mistakes != nil:
		reply(w, http.StatusUnprocessableEntity, errorReply{wrong.Error(), wrong.Mistakes})
		return
	case err != nil:
		fail(w, http.StatusConflict, err.Error())
		return
	}
	reply(w, http.StatusOK, outcomeReply{outcome})
}

// WrongConfig is the error of a reload that a wrong configuration has kept from happening.
type WrongConfig struct {
	Mistakes []string // "file:line: option: what is wrong"
}

func (w WrongConfig) Error() string {
	if len(w.Mistakes) == 1 {
		return "a mistake in the configuration; the old one stays in force"
	}
	return fmt.Sprintf("%d mistakes in the configuration; the old one stays in force", len(w.Mistakes))
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
		Due: given(m.Summary.Due), Why: m.Summary.Why, Rule: m.Summary.Rule, NextHop: m.Summary.Hosts,
		Recipients: make([]QueuedRecipient, len(e.Recipients)),
	}
	if e.ClientAddr.IsValid() {
		v.Client = e.ClientAddr.Addr().String()
	}
	for i, r := range e.Recipients {
		v.Recipients[i] = QueuedRecipient{
			Address: r.Address, State: stateNames[r.State], Attempts: r.Attempts, LastTry: given(r.LastTry), LastError: r.LastError, Route: r.Route,
		}
	}
	for _, i := range m.Meant {
		v.Recipients[i].Meant = true
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
