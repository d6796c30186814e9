package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"mtad/internal/admin"
)

func (q *queueCommand) suspend() error { return q.change(q.client.Suspend) }
func (q *queueCommand) resume() error  { return q.change(q.client.Resume) }

// change suspends or resumes what the word behind the verb names.
func (q *queueCommand) change(do func(context.Context, admin.Suspension) (string, error)) error {
	scope, pattern, _ := strings.Cut(q.words[0], "=")
	ctx, cancel := asking()
	defer cancel()
	outcome, err := do(ctx, admin.Suspension{Scope: scope, Pattern: pattern, For: q.until, Reason: q.reason})
	if err == nil {
		fmt.Fprintln(q.stdout, outcome)
	}
	return err
}

// suspensions prints what is suspended.
func (q *queueCommand) suspensions() error {
	ctx, cancel := asking()
	defer cancel()
	list, err := q.client.Suspensions(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		if q.json {
			json.NewEncoder(q.stdout).Encode(s)
			continue
		}
		what, end := s.Scope, "until it is resumed"
		if s.Pattern != "" {
			what += "=" + s.Pattern
		}
		if s.Until != nil {
			end = "until " + s.Until.Local().Format(time.DateTime)
		}
		fmt.Fprintf(q.stdout, "%s %s, by %s", what, end, s.By)
		if s.Reason != "" {
			fmt.Fprintf(q.stdout, " (%s)", s.Reason)
		}
		if s.Waiting > 0 {
			fmt.Fprintf(q.stdout, ", %d wait", s.Waiting)
		}
		fmt.Fprintln(q.stdout)
	}
	return nil
}
