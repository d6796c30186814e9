package auth

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"mtad/internal/expand"
)

// What a name and a secret may have, in octets: beyond it nothing is hashed.
const (
	maxName   = 255
	maxSecret = 1024
)

// beginPlaintext is the driver of PLAIN (RFC 4616) and LOGIN: what the client
// sends is split at NUL into $auth1, $auth2 …, and as long as there are fewer
// of them than prompts, the next prompt is sent.
func beginPlaintext(d *Dialogue, ctx context.Context, first string, has bool) (Step, responder) {
	var vars []string
	prompts := d.auth.prompts()
	var take responder
	take = func(ctx context.Context, data string) (Step, responder) {
		if vars = append(vars, strings.Split(data, "\x00")...); len(vars) < len(prompts) {
			return Step{Outcome: Challenge, challenge: prompts[len(vars)]}, take
		}
		return d.plaintext(ctx, vars), nil
	}
	if !has {
		return Step{Outcome: Challenge, challenge: prompts[0]}, take
	}
	return take(ctx, first)
}

func (a *Authenticator) prompts() []string {
	switch {
	case len(a.Prompts) > 0:
		return a.Prompts
	case strings.EqualFold(a.PublicName, "LOGIN"):
		return []string{"Username:", "Password:"}
	}
	return []string{""}
}

func (d *Dialogue) plaintext(ctx context.Context, vars []string) Step {
	a := d.auth
	plain := len(a.prompts()) == 1 // authzid NUL authcid NUL passwd (RFC 4616 2)
	if plain && len(vars) != 3 || !plain && len(vars) != len(a.prompts()) || len(vars) < 2 {
		return malformed("not the number of strings the mechanism has")
	}
	user, secret := vars[len(vars)-2], vars[len(vars)-1]
	if plain && vars[0] != "" && vars[0] != user {
		return d.failed(user, "wants to act as another user") // RFC 4616 2: nobody may here
	}
	if !usable(user, maxName) || !usable(secret, maxSecret) {
		return d.failed(user, "name or secret is empty, too long or not UTF-8")
	}
	return d.judge(user, vars, func() (bool, error) {
		if a.Users != nil {
			return a.Users.Verify(ctx, d.server.Costs, d.server.now(), user, secret)
		}
		return a.condition(ctx, d, vars)
	})
}

func usable(s string, max int) bool { return s != "" && len(s) <= max && utf8.ValidString(s) }

// condition is server_condition as Exim reads it: its result says yes, no, or
// that nothing can be said now.
func (a *Authenticator) condition(ctx context.Context, d *Dialogue, vars []string) (bool, error) {
	if a.Condition == nil {
		return false, nil
	}
	var result string
	var expansion error
	err := d.server.Costs.Do(ctx, func() { result, expansion = a.Condition(d.session.Env, vars) }) // crypteq costs what a hash costs
	switch {
	case err != nil:
		return false, err
	case errors.Is(expansion, expand.ErrForced):
		return false, nil
	case expansion != nil: // its text may quote what was expanded
		return false, errors.New("server_condition of " + a.Name + " cannot be expanded")
	}
	yes, ok := truth(result)
	if !ok {
		return false, errors.New("server_condition of " + a.Name + " gives neither yes nor no")
	}
	return yes, nil
}

// truth reads a condition's result as Exim does.
func truth(result string) (yes, ok bool) {
	switch strings.ToLower(result) {
	case "", "0", "no", "false":
		return false, true
	case "1", "yes", "true":
		return true, true
	}
	return false, false
}
