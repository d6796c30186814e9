package auth

import (
	"slices"

	"github.com/xdg-go/scram"
)

// Possible is a mechanism that a credential speaks.
type Possible struct {
	Mechanism string // "PLAIN"
	Name      string // of the authenticator
	Not       string // why it is not used all the same, behind "PLAIN "; "": it is
}

// Possible lists what Choose has to choose from where a server offers everything,
// strongest first. Nothing in it is secret.
func (c *Client) Possible(of Channel, credentials []Credential) []Possible {
	if of.TLS && len(of.Bindings) == 0 {
		of.Bindings = make([]scram.ChannelBinding, 1) // a handshake will have one
	}
	var all []Possible
	for _, cred := range credentials {
		for _, m := range cred.mechanisms(of) {
			all = append(all, Possible{m, cred.Name, c.forbids(m, cred, of)})
		}
	}
	slices.SortStableFunc(all, func(a, b Possible) int { return strength[b.Mechanism] - strength[a.Mechanism] })
	return all
}
