package auth

import (
	"context"
	"errors"
	"strings"

	"github.com/xdg-go/scram"
)

// scramExchange is three messages of the library, each looked at before it
// gets it: its own errors quote what the server sent.
func (c *Client) scramExchange(x *Exchange, cred Credential, of Channel, plusOffered bool) {
	keys := c.keys(cred)
	var conv *scram.ClientConversation
	switch {
	case x.Mechanism == scramPlus:
		conv = keys.NewConversationWithChannelBinding(of.Bindings[0])
	case len(of.Bindings) > 0 && !plusOffered: // "y": a server that did offer -PLUS learns that somebody took it out
		conv = keys.NewConversationAdvertisingChannelBinding()
	default:
		conv = keys.NewConversation()
	}
	first, _ := conv.Step("") // never fails
	x.first = &first
	x.steps = []answer{
		func(ctx context.Context, s string) (string, error) { return c.scramProof(ctx, conv, keys, first, s) },
		func(_ context.Context, s string) (string, error) { return "", scramSignature(conv, s) },
	}
	x.finish = func() error {
		if !conv.Valid() {
			return errors.New("the server has not proved that it knows the secret")
		}
		return nil
	}
}

// keys returns the client that has the derived keys of this secret.
func (c *Client) keys(cred Credential) *salted {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := [2]string{cred.User, cred.Secret}
	if s, ok := c.salts[k]; ok && len(s.seen) < maxSalts {
		return s
	}
	if c.salts == nil || len(c.salts) >= maxSalted {
		c.salts = make(map[[2]string]*salted)
	}
	s := &salted{Client: scramClient(cred.User, cred.Secret), seen: make(map[string]bool)}
	if c.nonce != nil {
		s.WithNonceGenerator(c.nonce)
	}
	c.salts[k] = s
	return s
}

// scramProof bounds what a server can make us compute, then answers.
func (c *Client) scramProof(ctx context.Context, conv *scram.ClientConversation, keys *salted, first, serverFirst string) (out string, err error) {
	nonce, factors, ok := parseServerFirst(serverFirst)
	ours := first[strings.LastIndex(first, ",r=")+3:]
	if !ok || !strings.HasPrefix(nonce, ours) || nonce == ours { // RFC 5802 5.1
		return "", errors.New("the server's first SCRAM message is faulty, or asks for more than 1000000 or fewer than 4096 iterations")
	}
	c.mu.Lock()
	derived := keys.seen[factors]
	c.mu.Unlock()
	costs := c.Costs
	if derived {
		costs = nil // nothing is hashed
	}
	if busy := costs.Do(ctx, func() { out, err = conv.Step(serverFirst) }); busy != nil {
		return "", busy
	}
	if err != nil {
		return "", errors.New("the server's first SCRAM message is faulty")
	}
	c.mu.Lock()
	keys.seen[factors] = true
	c.mu.Unlock()
	return out, nil
}

// parseServerFirst returns the nonce, and what keys depend on: "s=…,i=…".
func parseServerFirst(s string) (nonce, factors string, ok bool) {
	part := strings.Split(s, ",")
	if len(part) < 3 || len(s) > maxServerLine {
		return "", "", false
	}
	nonce, ok = strings.CutPrefix(part[0], "r=")
	_, salted := strings.CutPrefix(part[1], "s=")
	_, counted := number(part[2], "i=", 4096, maxIterations) // RFC 7677 4
	return nonce, part[1] + "," + part[2], ok && salted && counted
}

func scramSignature(conv *scram.ClientConversation, serverFinal string) error {
	if _, err := conv.Step(serverFinal); err != nil || !conv.Valid() {
		return errors.New("the server does not prove that it knows the secret, or refuses ours")
	}
	return nil
}
