package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"mtad/internal/config"
	"mtad/internal/queue"
)

// What an operator sees of the queue and does to it.

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	part, err := slice(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := asking(r)
	defer cancel()
	messages, next, err := s.opt.Daemon.List(ctx, part)
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

func (s *Server) act(verb Verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, chosen, err := readRequest(r.Body)
		if err != nil {
			badBody(w, err)
			return
		}
		to, err := s.destination(verb, req.To)
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		o := Order{Verb: verb, Slice: Slice{chosen, req.From, req.Max}, DryRun: req.DryRun, Reason: req.Reason, By: by(r, req.Reason), To: to}
		ctx, cancel := asking(r)
		defer cancel()
		result, err := s.opt.Daemon.Act(ctx, o)
		if !req.DryRun && (err != nil || result.Done+len(result.Failed) > 0) {
			s.audit(r, string(verb), chosen.String()+towards(req.To), fmt.Sprintf("%d done, %d failed", result.Done, len(result.Failed))+because(req.Reason), err)
		}
		if err != nil {
			failed(w, err)
			return
		}
		reply(w, http.StatusOK, result)
	}
}

// destination reads where messages are to go: of a reroute only, and then it is needed.
func (s *Server) destination(verb Verb, to string) (string, error) {
	switch {
	case verb != Reroute && to != "":
		return "", fmt.Errorf("to: %s sends nothing anywhere; reroute does", verb)
	case verb != Reroute || to == BackToRouters:
		return "", nil
	}
	if err := s.opt.Daemon.CheckRoute(to); err != nil {
		return "", fmt.Errorf("to: %w", err)
	}
	return to, nil
}

func towards(to string) string {
	if to == "" {
		return ""
	}
	return " to " + to
}

// by is who did it and why, as it stands beside a message in the log.
func by(r *http.Request, reason string) string {
	if reason == "" {
		return who(r)
	}
	return who(r) + ": " + reason
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func badBody(w http.ResponseWriter, err error) {
	if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes: ask in parts", tooLong.Limit))
		return
	}
	fail(w, http.StatusBadRequest, err.Error())
}

// Lane is one lane as GET /api/v1/lanes shows it: what waits for the same hosts.
type Lane struct {
	Lane        string     `json:"lane"`
	Hosts       []string   `json:"hosts"` // name [address:port]
	Site        string     `json:"site,omitempty"`
	Messages    int        `json:"messages"`
	Ready       int        `json:"ready"`
	Connections int        `json:"connections"`
	RetryAt     *time.Time `json:"retry_at,omitempty"`
	Error       string     `json:"error,omitempty"`
	Rule        string     `json:"rule,omitempty"`
	Why         string     `json:"why"`
}

// LanePage answers GET /api/v1/lanes. Next is what after= takes for the next page, "" at the end.
type LanePage struct {
	Lanes []Lane `json:"lanes"`
	Next  string `json:"next,omitempty"`
}

func (s *Server) lanes(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := asking(r)
	defer cancel()
	states, err := s.opt.Daemon.Lanes(ctx, r.URL.Query().Get("after"), maxPage)
	if err != nil {
		failed(w, err)
		return
	}
	page := LanePage{Lanes: make([]Lane, 0, len(states))}
	for _, l := range states {
		v := Lane{Lane: l.Lane, Site: l.Site, Messages: l.Waiting, Ready: l.Ready, Connections: l.Connections, RetryAt: given(l.RetryAt), Error: l.Error, Rule: l.Rule, Why: l.Why}
		for _, h := range l.Hosts {
			v.Hosts = append(v.Hosts, fmt.Sprintf("%s [%s]", h.Name, h.Addr))
		}
		page.Lanes = append(page.Lanes, v)
	}
	if len(states) == maxPage {
		page.Next = states[maxPage-1].Lane
	}
	reply(w, http.StatusOK, page)
}

// Suspension is one, as it is asked for and as it is shown.
type Suspension struct {
	Scope   string     `json:"scope"`             // all, domain or site
	Pattern string     `json:"pattern,omitempty"` // of domain and site
	For     string     `json:"for,omitempty"`     // how long, when asked for; or
	Until   *time.Time `json:"until,omitempty"`   // until when; neither: until it is resumed
	Reason  string     `json:"reason,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	By      string     `json:"by,omitempty"`
	Waiting int        `json:"waiting,omitempty"` // of a domain: how many it has kept back so far
}

func (s *Server) suspensions(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := asking(r)
	defer cancel()
	states, err := s.opt.Daemon.Suspensions(ctx)
	if err != nil {
		failed(w, err)
		return
	}
	list := make([]Suspension, 0, len(states))
	for _, x := range states {
		list = append(list, Suspension{Scope: x.Scope, Pattern: x.Pattern, Until: given(x.Until), Reason: x.Why, Since: given(x.Since), By: x.Who, Waiting: x.Parked})
	}
	reply(w, http.StatusOK, map[string][]Suspension{"suspensions": list})
}

// readSuspension reads what is to be suspended or resumed.
func readSuspension(body io.Reader, now time.Time) (x Suspension, s queue.Suspension, err error) {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return x, s, fmt.Errorf(`the body must be {"scope": "domain", "pattern": "…", "for": "2h"}: %w`, err)
	}
	s = queue.Suspension{Scope: x.Scope, Pattern: strings.ToLower(x.Pattern), Since: now, Why: x.Reason}
	switch {
	case x.Scope != queue.SuspendAll && x.Scope != queue.SuspendDomain && x.Scope != queue.SuspendSite:
		return x, s, fmt.Errorf("scope: %q is none of all, domain, site", x.Scope)
	case (x.Scope == queue.SuspendAll) != (x.Pattern == ""):
		return x, s, errors.New("pattern: a domain or site needs one, all has none")
	case len(x.Pattern) > 255 || strings.ContainsAny(x.Pattern, " \t\r\n"):
		return x, s, errors.New("pattern: one word of 255 bytes at most")
	case len(x.Reason) > maxReason:
		return x, s, fmt.Errorf("reason: %d bytes are the most", maxReason)
	case x.For != "" && x.Until != nil:
		return x, s, errors.New("for and until: one of them")
	case x.For != "":
		d, err := config.ParseTime(x.For)
		if err != nil || d <= 0 || d > 10*365*24*time.Hour {
			return x, s, fmt.Errorf("for: %q is no time; times are written 30m, 2h, 1d", x.For)
		}
		s.Until = now.Add(d)
	case x.Until != nil:
		if s.Until = x.Until.Local(); !s.Until.After(now) {
			return x, s, errors.New("until: that time is over")
		}
	}
	return x, s, nil
}

func (s *Server) suspend(w http.ResponseWriter, r *http.Request) {
	_, x, err := readSuspension(r.Body, time.Now())
	if err != nil {
		badBody(w, err)
		return
	}
	x.Who = who(r)
	ctx, cancel := asking(r)
	defer cancel()
	err = s.opt.Daemon.Suspend(ctx, x)
	s.audit(r, "suspend", target(x), "until "+until(x)+because(x.Why), err)
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, http.StatusOK, outcomeReply{target(x) + " is suspended until " + until(x)})
}

func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	_, x, err := readSuspension(r.Body, time.Now())
	if err != nil {
		badBody(w, err)
		return
	}
	ctx, cancel := asking(r)
	defer cancel()
	found, err := s.opt.Daemon.Resume(ctx, x.Scope, x.Pattern)
	switch {
	case err != nil:
		s.audit(r, "resume", target(x), "", err)
		failed(w, err)
	case !found:
		fail(w, http.StatusNotFound, target(x)+" is not suspended; mtad queue suspensions shows what is")
	default:
		s.audit(r, "resume", target(x), "done"+because(x.Why), nil)
		reply(w, http.StatusOK, outcomeReply{target(x) + " is resumed"})
	}
}

func target(x queue.Suspension) string {
	if x.Scope == queue.SuspendAll {
		return "everything"
	}
	return x.Scope + "=" + x.Pattern
}

func until(x queue.Suspension) string {
	if x.Until.IsZero() {
		return "it is resumed"
	}
	return x.Until.Format(time.DateTime)
}
