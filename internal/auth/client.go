package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/xdg-go/scram"
)

// Credential is one [[authenticator]] as client, expanded for one host.
type Credential struct {
	Name       string   // of the section: A= of the log
	Driver     string   // "plaintext", "cram_md5", "scram" or "external"
	PublicName string   // of a plaintext one: PLAIN or LOGIN
	Send       []string // client_send: "^user^pass", or user and pass each for itself; nil: made of User and Secret
	User       string   // client_name
	Secret     string   // client_secret
	AllowClear bool     // client_allow_clear: a plain secret may go without TLS
}

// Channel is what is known of the connection.
type Channel struct {
	TLS         bool
	Certificate bool                   // the server asked for ours and got it: EXTERNAL has something to stand on
	Bindings    []scram.ChannelBinding // those of Bindings; nil in clear
}

// strength orders what a client takes: the strongest first. SCRAM proves the
// server too; CRAM-MD5 shows no secret; PLAIN and LOGIN show it all.
var strength = map[string]int{"LOGIN": 1, "PLAIN": 2, "CRAM-MD5": 3, scramPlain: 4, "EXTERNAL": 5, scramPlus: 6}

// Client keeps what SCRAM derived of each secret, so that an AUTH anew costs no
// hashing. It is safe for concurrent use.
type Client struct {
	// Floor is the weakest mechanism that is used, however little a server
	// offers; "" is any (THREATS AU-08).
	Floor string
	Costs *Costs

	nonce func() string // of SCRAM; nil: random
	mu    sync.Mutex
	salts map[[2]string]*salted // by user and secret
}

// salted is a SCRAM client with the keys it has derived.
type salted struct {
	*scram.Client
	seen map[string]bool // salts and iterations; guarded by Client.mu
}

const (
	maxSalted     = 1024      // users and secrets
	maxSalts      = 16        // of one of them: a server that has a new one each time is not kept
	maxIterations = 1_000_000 // a server may ask for: a quarter of a second
	maxServerLine = MaxLine
)

// choice is a credential with one mechanism it can speak.
type choice struct {
	credential Credential
	mechanism  string
}

// Choose returns the dialogues that can be tried, strongest first: a later one
// only where the server answers 504 or 534 to the one before (it does not have
// the mechanism after all), never after 535 or an error of Next. Where there is
// none the error says what was offered and what stood in the way.
func (c *Client) Choose(offered []string, of Channel, credentials []Credential) ([]*Exchange, error) {
	var choices []choice
	var why []string
	for _, cred := range credentials {
		for _, m := range cred.mechanisms(of) {
			if !slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, m) }) {
				continue
			}
			if fault := c.forbids(m, cred, of); fault != "" {
				why = append(why, m+" "+fault)
				continue
			}
			choices = append(choices, choice{cred, m})
		}
	}
	if len(choices) == 0 {
		return nil, noChoice(offered, why)
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return strength[b.mechanism] - strength[a.mechanism] })
	plus := slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, scramPlus) })
	all := make([]*Exchange, len(choices))
	for i, ch := range choices {
		all[i] = c.exchange(ch, of, plus)
	}
	return all, nil
}

func (c *Client) forbids(mechanism string, cred Credential, of Channel) string {
	switch plain := strength[mechanism] <= strength["PLAIN"]; {
	case strength[mechanism] < strength[strings.ToUpper(c.Floor)]:
		return "is weaker than " + c.Floor
	case plain && !of.TLS && !cred.AllowClear:
		return "would send the secret in clear (client_allow_clear)"
	}
	return ""
}

func noChoice(offered, why []string) error {
	if len(why) > 0 {
		return fmt.Errorf("no usable authentication mechanism: %s", strings.Join(why, ", "))
	}
	if len(offered) == 0 {
		return errors.New("the server offers no authentication")
	}
	return fmt.Errorf("no usable authentication mechanism among those offered: %q", offered[:min(len(offered), 20)])
}

func (cred Credential) mechanisms(of Channel) []string {
	switch cred.Driver {
	case "cram_md5":
		return []string{"CRAM-MD5"}
	case "scram":
		if len(of.Bindings) > 0 {
			return []string{scramPlus, scramPlain}
		}
		return []string{scramPlain}
	case "external":
		if of.Certificate {
			return []string{"EXTERNAL"}
		}
	case "plaintext":
		if m := strings.ToUpper(cred.PublicName); strength[m] > 0 && strength[m] <= strength["PLAIN"] {
			return []string{m}
		}
	}
	return nil
}

// Exchange is one AUTH as client. It belongs to its session.
type Exchange struct {
	Name      string // of the authenticator
	Mechanism string

	steps  []answer // still to come
	first  *string  // initial response; nil: none
	finish func() error
}

// answer takes a decoded challenge.
type answer func(ctx context.Context, challenge string) (string, error)

// Start returns the argument of AUTH: the mechanism, and the initial response
// where it has one (RFC 4954 4).
func (x *Exchange) Start() string {
	switch {
	case x.first == nil:
		return x.Mechanism
	case *x.first == "":
		return x.Mechanism + " ="
	}
	return x.Mechanism + " " + base64.StdEncoding.EncodeToString([]byte(*x.first))
}

// Next answers the text of a 334. After an error the session sends "*"
// and gives the authentication up.
func (x *Exchange) Next(ctx context.Context, challenge string) (string, error) {
	if len(x.steps) == 0 {
		return "", errors.New("the server asks for more than " + x.Mechanism + " has")
	}
	if len(challenge) > maxServerLine {
		return "", errors.New("the server's challenge is too long")
	}
	step := x.steps[0]
	x.steps = x.steps[1:]
	data, ok := decode(challenge)
	if !ok && x.Mechanism != "LOGIN" { // prompts in no base64 are about, and nobody reads them
		return "", errors.New("the server's challenge is not base64")
	}
	out, err := step(ctx, data)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString([]byte(out)), nil
}

// Finish is asked on 235: an error says that the server claims success and has
// not proved that it knows the secret, as SCRAM demands.
func (x *Exchange) Finish() error {
	if x.finish != nil {
		return x.finish()
	}
	return nil
}

func (c *Client) exchange(ch choice, of Channel, plusOffered bool) *Exchange {
	x := &Exchange{Name: ch.credential.Name, Mechanism: ch.mechanism}
	cred := ch.credential
	switch ch.mechanism {
	case "EXTERNAL":
		x.first = &cred.User // empty: who the certificate says
	case "CRAM-MD5":
		x.steps = []answer{func(_ context.Context, challenge string) (string, error) {
			return cred.User + " " + cramDigest(cred.Secret, challenge), nil
		}}
	case scramPlain, scramPlus:
		c.scramExchange(x, cred, of, plusOffered)
	default:
		x.plaintext(cred.strings(ch.mechanism))
	}
	return x
}

// plaintext: the first string is the initial response, "" is none.
func (x *Exchange) plaintext(send []string) {
	if send[0] != "" {
		x.first = &send[0]
	}
	for _, s := range send[1:] {
		x.steps = append(x.steps, func(context.Context, string) (string, error) { return s, nil })
	}
}

func (cred Credential) strings(mechanism string) []string {
	if len(cred.Send) == 0 {
		if mechanism == "LOGIN" {
			return []string{"", cred.User, cred.Secret}
		}
		return []string{"\x00" + cred.User + "\x00" + cred.Secret}
	}
	send := make([]string, len(cred.Send))
	for i, s := range cred.Send {
		send[i] = carets(s)
	}
	return send
}

// carets reads Exim's client_send: "^" is a NUL, "^^" a caret.
func carets(s string) string {
	return strings.NewReplacer("^^", "^", "^", "\x00").Replace(s)
}
