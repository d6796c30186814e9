package admin

import (
	"context"
	"strings"
	"testing"
)

// A reroute needs somewhere to go that there is; nothing else takes one.
func TestReroute(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.messages[1].Envelope.Recipients[0].Route = "router=old"
	_, web, log := serve(t, d, testToken)
	c, ctx := client(t, web, testToken), context.Background()
	for _, bad := range []struct {
		verb     Verb
		to, says string
	}{{Reroute, "", "to: there is no"}, {Reroute, "router=none", "to: there is no router=none"}, {Retry, "router=backup", "to: retry sends nothing anywhere"}} {
		if _, err := c.Act(ctx, bad.verb, Request{Select: "all", To: bad.to}); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if len(d.acts) > 0 {
		t.Errorf("did %v", d.acts)
	}
	for to, want := range map[string]string{"router=backup": "router=backup", BackToRouters: ""} {
		if r, err := c.Act(ctx, Reroute, Request{Select: "domain=y.example", To: to}); err != nil || r.Done != 3 || d.to != want {
			t.Errorf("%s: %+v %v, to %q", to, r, err, d.to)
		}
		if text := log(); !strings.Contains(text, "admin: reroute domain=y.example to "+to+" by token") {
			t.Errorf("the audit trail lacks it:\n%s", text)
		}
	}
	if m, err := c.Show(ctx, d.messages[1].Envelope.ID.String()); err != nil || m.Recipients[0].Route != "router=old" {
		t.Errorf("shown: %+v %v", m, err)
	}
}
