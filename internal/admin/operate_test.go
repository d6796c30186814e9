package admin

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSelections: a selector comes as text, as ids, or field by field; all must hold.
func TestSelections(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.messages[1].Envelope.Recipients[0].Address = "x@other.example"
	d.messages[1].Envelope.Recipients[0].LastError = "timed out"
	_, web, _ := serve(t, d, testToken)
	for body, want := range map[string]int{
		`{"select":"all"}`: 3, `{"select":"domain=other.example"}`: 1, `{"domain":"other.example"}`: 1, `{"domain":["other.example","y.example"]}`: 3,
		`{"domain":"!=other.example"}`: 2, `{"error":"~timed out"}`: 1, `{"error":"~timed out","domain":"y.example"}`: 0, `{"select":"size>1K","size":"<1K"}`: 0,
		`{"ids":["1vNDqi-0000Gx-2A","1vNDqi-0000Gy-2A"],"domain":"y.example"}`: 1, `{"id":"1vNDqi-0000Gx-2A"}`: 1, `{"sender":"canary@*"}`: 3,
	} {
		code, text := ask(t, web, "POST", "/api/v1/queue/remove", strings.Replace(body, "{", `{"dry_run":true,`, 1), bearer...)
		var r Result
		if err := json.Unmarshal([]byte(text), &r); err != nil || code != 200 || r.Matched != want || r.Done != 0 {
			t.Errorf("%s: %d %s, want %d", body, code, text, want)
		}
	}
	if len(d.acts) > 0 {
		t.Errorf("a dry run did %v", d.acts)
	}
	for query, want := range map[string]int{"": 3, "?domain=other.example": 1, "?select=error~%22timed+out%22": 1, "?select=size%3E1M": 0, "?size=%3E1K&client=192.0.2.0/24": 3} {
		var p QueuePage
		if code, text := ask(t, web, "GET", "/api/v1/queue"+query, "", bearer...); json.Unmarshal([]byte(text), &p) != nil || code != 200 || len(p.Messages) != want {
			t.Errorf("%s: %d %s", query, code, text)
		}
	}
	for _, query := range []string{"?domian=x", "?select=x", "?state=lost"} {
		if code, text := ask(t, web, "GET", "/api/v1/queue"+query, "", bearer...); code != 400 {
			t.Errorf("%s: %d %s", query, code, text)
		}
	}
}

// AM-08: what was done stands in the log with who did it and why; a dry run does not.
func TestAM08ActsAreAudited(t *testing.T) {
	t.Parallel()
	d := newFake()
	_, web, log := serve(t, d, testToken)
	c, ctx := client(t, web, testToken), context.Background()
	c.User = "alice"
	for _, dry := range []bool{true, false} {
		if _, err := c.Act(ctx, Freeze, Request{Select: "domain=y.example", Reason: "customer asked", DryRun: dry}); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(d.by, "alice (token 127.0.0.1:") || !strings.HasSuffix(d.by, "): customer asked") {
		t.Errorf("by %q", d.by)
	}
	text := log()
	if n := strings.Count(text, "admin: freeze"); n != 1 || !strings.Contains(text, "admin: freeze domain=y.example by alice (token 127.0.0.1:") || !strings.Contains(text, "3 done, 0 failed (customer asked)") {
		t.Errorf("%d lines:\n%s", n, text)
	}
}

func TestSuspensionsOverTheAPI(t *testing.T) {
	t.Parallel()
	d := newFake()
	_, web, log := serve(t, d, testToken)
	c, ctx := client(t, web, testToken), context.Background()
	if said, err := c.Suspend(ctx, Suspension{Scope: "domain", Pattern: "*.Example", For: "2h", Reason: "their disk is full"}); err != nil || !strings.HasPrefix(said, "domain=*.example is suspended until 20") {
		t.Errorf("%q %v", said, err)
	}
	if said, err := c.Suspend(ctx, Suspension{Scope: "all"}); err != nil || said != "everything is suspended until it is resumed" {
		t.Errorf("%q %v", said, err)
	}
	list, err := c.Suspensions(ctx)
	if err != nil || len(list) != 2 || list[0].Pattern != "*.example" || list[0].Until == nil || time.Until(*list[0].Until).Round(time.Minute) != 2*time.Hour || list[0].Waiting != 7 || list[1].Until != nil {
		t.Errorf("%+v %v", list, err)
	}
	if said, err := c.Resume(ctx, Suspension{Scope: "all"}); err != nil || said != "everything is resumed" {
		t.Errorf("%q %v", said, err)
	}
	if _, err := c.Resume(ctx, Suspension{Scope: "all"}); err == nil || !strings.Contains(err.Error(), "everything is not suspended") {
		t.Errorf("resumed twice: %v", err)
	}
	for _, body := range []string{"", `{"scope":"x"}`, `{"scope":"all","pattern":"x"}`, `{"scope":"domain"}`, `{"scope":"site","pattern":"a b"}`, `{"scope":"all","for":"2"}`, `{"scope":"all","for":"-2h"}`,
		`{"scope":"all","for":"2h","until":"2036-01-01T00:00:00Z"}`, `{"scope":"all","until":"2006-01-01T00:00:00Z"}`, `{"scope":"all","x":1}`, `{"scope":"domain","pattern":"` + strings.Repeat("x", 256) + `"}`} {
		if code, _ := ask(t, web, "POST", "/api/v1/queue/suspend", body, bearer...); code != 400 {
			t.Errorf("%.60s: %d", body, code)
		}
	}
	for _, line := range []string{"admin: suspend domain=*.example by token", "(their disk is full)", "admin: resume everything by token"} {
		if text := log(); !strings.Contains(text, line) {
			t.Errorf("the audit trail lacks %q:\n%s", line, text)
		}
	}
}

// TestSummary: recipients are counted by what they have in common, messages once in each group.
func TestSummary(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.messages[2].Envelope.Recipients[1].State = 0
	d.messages[2].Envelope.Recipients[1].Address = "c@z.example"
	_, web, _ := serve(t, d, testToken)
	c := client(t, web, testToken)
	for by, want := range map[string]string{"domain": "y.example 3 3, z.example 1 1", "state": "deferred 3 4", "error": "Connection refused 3 3,  1 1", "client": "192.0.2.1 3 4"} {
		p, err := c.Summary(context.Background(), by, "", 0)
		var got []string
		for _, g := range p.Groups {
			got = append(got, g.Key+" "+string(rune('0'+g.Messages))+" "+string(rune('0'+g.Recipients)))
		}
		if text := strings.Join(got, ", "); err != nil || text != want {
			t.Errorf("by %s: %q %v", by, text, err)
		}
	}
	p, err := c.Summary(context.Background(), "domain", "domain=z.example", 0)
	if err != nil || len(p.Groups) != 1 || p.Groups[0].Key != "z.example" || p.Groups[0].Recipients != 1 {
		t.Errorf("of one domain: %+v %v", p, err)
	}
	if _, err := c.Summary(context.Background(), "colour", "", 0); err == nil || !strings.Contains(err.Error(), "by must be one of domain") {
		t.Error(err)
	}
	a := Group{Key: "x", Messages: 1, Recipients: 2, Bytes: 3, Oldest: time.Unix(100, 0), Why: "new"}
	a.Merge(Group{Messages: 10, Recipients: 20, Bytes: 30, Oldest: time.Unix(50, 0), Why: "old", LastError: "refused"})
	if a != (Group{Key: "x", Messages: 11, Recipients: 22, Bytes: 33, Oldest: time.Unix(50, 0), Why: "old", LastError: "refused"}) {
		t.Errorf("merged: %+v", a)
	}
	if !slices.Contains(Groupings(), "domain") || len(Groupings()) != len(groupings) {
		t.Error("a grouping is not listed")
	}
}
