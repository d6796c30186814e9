package auth

import (
	"context"
	"strings"

	"github.com/xdg-go/scram"
)

const (
	scramPlain = "SCRAM-SHA-256"
	scramPlus  = "SCRAM-SHA-256-PLUS"
)

// beginSCRAM is SCRAM-SHA-256 (RFC 5802, 7677), with channel binding where
// plus. The library has the messages; who is known, and what may be said of
// it, is decided here.
func beginSCRAM(plus bool) mechanism {
	return func(d *Dialogue, ctx context.Context, first string, has bool) (Step, responder) {
		take := func(_ context.Context, data string) (Step, responder) { return d.scramFirst(data, plus) }
		if !has {
			return Step{Outcome: Challenge}, take
		}
		return take(ctx, first)
	}
}

func (d *Dialogue) scramFirst(clientFirst string, plus bool) (Step, responder) {
	conv, bound := d.scramConversation(clientFirst, plus)
	if conv == nil {
		return malformed("channel binding does not fit the mechanism"), nil
	}
	answer, err := conv.Step(clientFirst)
	switch {
	case bound.err != nil:
		return Step{Outcome: Temporary, Reason: bound.err.Error()}, nil
	case err != nil && strings.HasPrefix(answer, scram.ErrServerDoesSupportChannelBinding):
		return d.failed("", "the client did not see -PLUS offered: somebody in between may have taken it out"), nil
	case err != nil: // its text has what the client sent
		return malformed("the first SCRAM message is faulty"), nil
	}
	user := conv.Username()
	if authzid := conv.AuthzID(); authzid != "" && authzid != user {
		return d.failed(user, "wants to act as another user"), nil
	}
	return Step{Outcome: Challenge, challenge: answer}, func(_ context.Context, data string) (Step, responder) {
		return d.scramFinal(conv, user, bound.known, data)
	}
}

// scramFinal has its signature taken by the client before the 235, which has no
// room for it (RFC 4954 4).
func (d *Dialogue) scramFinal(conv *scram.ServerConversation, user string, known bool, data string) (Step, responder) {
	answer, err := conv.Step(data)
	verdict := d.judge(user, []string{user}, func() (bool, error) {
		return err == nil && conv.Valid() && known, nil
	})
	if verdict.Outcome != Done {
		return verdict, nil
	}
	return Step{Outcome: Challenge, challenge: answer}, func(_ context.Context, empty string) (Step, responder) {
		if empty != "" {
			return malformed("data behind the last SCRAM message"), nil
		}
		return verdict, nil
	}
}

// found is what the look-up of a SCRAM user came to.
type found struct {
	known bool
	err   error
}

// scramConversation binds to the channel by the type the client names in its
// first field. nil: the field does not fit the mechanism.
func (d *Dialogue) scramConversation(clientFirst string, plus bool) (*scram.ServerConversation, *found) {
	f := &found{}
	server, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
		var c scram.StoredCredentials
		if usable(user, maxName) && !strings.ContainsRune(user, 0) {
			c, f.known, f.err = d.auth.Users.scram(user)
		} else {
			c, _, f.err = d.auth.Users.scram("")
		}
		return c, f.err
	})
	if err != nil || d.auth.Users == nil {
		return nil, f
	}
	if d.server.nonce != nil {
		server.WithNonceGenerator(d.server.nonce)
	}
	flag, _, _ := strings.Cut(clientFirst, ",")
	named, bound := strings.CutPrefix(flag, "p=")
	if bound != plus { // RFC 5802 6: "p" goes with -PLUS, and -PLUS with "p"
		return nil, f
	}
	if !bound {
		var offered scram.ChannelBinding // makes "y" a downgrade
		if len(d.session.Bindings) > 0 {
			offered = d.session.Bindings[0]
		}
		return server.NewConversationWithChannelBinding(offered), f
	}
	for _, b := range d.session.Bindings {
		if string(b.Type) == named {
			return server.NewConversationWithChannelBindingRequired(b), f
		}
	}
	return nil, f
}
