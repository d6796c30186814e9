package load

import (
	"context"
	"strings"

	"mtad/internal/auth"
)

// AUTH on both sides is internal/auth's; this is the talk.

// authenticate has the dialogue of AUTH with the strongest mechanism that the
// server offers and the credentials have.
func (c *client) authenticate(as *auth.Client, credentials []auth.Credential) error {
	of := auth.Channel{TLS: c.sock.State().On}
	if certs := c.sock.PeerCertificates(); len(certs) > 0 {
		of.Bindings = auth.Bindings(c.sock, certs[0])
	}
	all, err := as.Choose(c.mechanisms, of, credentials)
	if err != nil {
		return err
	}
	x := all[0]
	r, err := c.command("AUTH %s", x.Start())
	for err == nil && r.code == 334 {
		answer, fault := x.Next(context.Background(), r.text)
		if fault != nil {
			c.command("*") // RFC 4954 4: the client gives up
			return fault
		}
		r, err = c.command("%s", answer)
	}
	if err != nil {
		return err
	}
	if r.code != 235 {
		return refused{"AUTH " + x.Mechanism, r}
	}
	return x.Finish()
}

// authSession is what a dialogue has to know of the sink's session. Nothing is
// expanded, and nobody's guesses are counted.
func (c *sinkSession) authSession() auth.Session {
	cfg := c.sink.TLS
	if cfg == nil || !c.sock.State().On {
		return auth.Session{}
	}
	return auth.Session{Bindings: auth.Bindings(c.sock, cfg.Certificates[0].Leaf)}
}

// authenticate answers AUTH (RFC 4954 4).
func (c *sinkSession) authenticate(arg string) error {
	switch {
	case c.sink.Auth == nil:
		return c.reply("502 no AUTH here")
	case !c.hello || c.mail || c.user != "":
		return c.reply("503 not now")
	}
	if rule, hit := c.sink.rule("AUTH"); hit {
		return c.refuse(rule)
	}
	mechanism, initial, has := strings.Cut(arg, " ")
	d, step := c.sink.Auth.Begin(context.Background(), c.authSession(), mechanism, initial, has)
	for step.Outcome == auth.Challenge {
		if err := c.answer(step); err != nil {
			return err
		}
		line, err := c.line()
		if err != nil {
			return err
		}
		step = d.Next(context.Background(), line)
	}
	if step.Outcome == auth.Done {
		c.user = step.ID
		c.sink.authenticated.Add(1)
	} else {
		c.sink.refused.Add(1)
	}
	return c.answer(step)
}

func (c *sinkSession) answer(step auth.Step) error {
	return c.reply(strings.TrimSuffix(string(step.Reply().Append(nil, true)), "\r\n"))
}
