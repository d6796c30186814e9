package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mtad/internal/selector"
	"mtad/spool"
)

// Request is the body of POST /api/v1/queue/VERB. A selector comes as text, as ids, or
// field by field under the names of the selector language, each with a value or several;
// all of it together must hold.
type Request struct {
	Select string   `json:"select,omitempty"`
	IDs    []string `json:"ids,omitempty"`

	DryRun bool   `json:"dry_run,omitempty"` // only count
	Reason string `json:"reason,omitempty"`  // why, for the log and, of a bounce, for the sender
	To     string `json:"to,omitempty"`      // reroute: router=NAME, hosts=LIST, or BackToRouters
	From   uint64 `json:"from,omitempty"`    // next of the answer before
	Max    int    `json:"max,omitempty"`     // messages to look at; 0: as many as there is time for
}

const maxReason = 200

// BackToRouters as a Request's To ends a reroute.
const BackToRouters = "routers"

var errBody = errors.New(`the body must be one object, as {"select": "domain=*.example age>2h"} or {"ids": ["…"]}, and nothing more`)

// readRequest reads a body; what it does not know it refuses.
func readRequest(body io.Reader) (req Request, s *selector.Selector, err error) {
	var keys map[string]json.RawMessage
	d := json.NewDecoder(body)
	if err := d.Decode(&keys); err != nil {
		return req, nil, fmt.Errorf("%w: %w", errBody, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return req, nil, errBody
	}
	fields, err := takeFields(keys)
	if err != nil {
		return req, nil, err
	}
	rest, _ := json.Marshal(keys)
	d = json.NewDecoder(strings.NewReader(string(rest)))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return req, nil, err
	}
	switch {
	case len(req.Reason) > maxReason:
		return req, nil, fmt.Errorf("reason: %d bytes are the most", maxReason)
	case req.Max < 0:
		return req, nil, errors.New("max: a number of messages")
	}
	s, err = choose(req.Select, req.IDs, fields)
	return req, s, err
}

// takeFields takes the fields of the selector language out of an object, as terms.
func takeFields(keys map[string]json.RawMessage) (terms []string, err error) {
	for _, name := range selector.Fields() {
		raw, given := keys[name]
		if !given {
			continue
		}
		delete(keys, name)
		var values []string
		if err := json.Unmarshal(raw, &values); err != nil {
			var one string
			if json.Unmarshal(raw, &one) != nil {
				return nil, fmt.Errorf("%s: a text or an array of texts", name)
			}
			values = []string{one}
		}
		if len(values) == 0 {
			return nil, fmt.Errorf("%s: no value", name)
		}
		terms = append(terms, selector.Term(name, values...))
	}
	return terms, nil
}

// choose makes one selector of all that was said.
func choose(text string, ids, terms []string) (*selector.Selector, error) {
	for _, id := range ids {
		if _, err := spool.ParseID(id); err != nil {
			return nil, fmt.Errorf("ids: %w", err)
		}
	}
	return selector.Parse(strings.Join(slices.Concat(ids, terms, []string{text}), " "))
}

// selection reads a selector out of a query; everything is meant where it says nothing.
func selection(q url.Values) (*selector.Selector, error) {
	var terms []string
	for _, name := range selector.Fields() {
		for _, v := range q[name] {
			terms = append(terms, selector.Term(name, v))
		}
	}
	text := strings.Join(q["select"], " ")
	if strings.TrimSpace(text) == "" && len(terms) == 0 {
		text = "all"
	}
	return choose(text, nil, terms)
}

// Page sizes of GET /api/v1/queue.
const (
	defaultPage = 100
	maxPage     = 1000
)

// slice reads from, max and the selector of a query.
func slice(q url.Values) (s Slice, err error) {
	s.Max = defaultPage
	if f := q.Get("from"); f != "" {
		if s.From, err = strconv.ParseUint(f, 10, 64); err != nil {
			return s, errors.New("from must be what next was")
		}
	}
	if m := q.Get("max"); m != "" {
		if s.Max, err = strconv.Atoi(m); err != nil || s.Max < 1 || s.Max > maxPage {
			return s, fmt.Errorf("max must be a number from 1 to %d", maxPage)
		}
	}
	for name := range q {
		if !slices.Contains([]string{"from", "max", "select", "by"}, name) && !slices.Contains(selector.Fields(), name) {
			return s, fmt.Errorf("unknown parameter %q", name)
		}
	}
	s.Select, err = selection(q)
	return s, err
}
