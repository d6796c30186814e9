package inbound

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"mtad/internal/auth"
	"mtad/internal/config"
	"mtad/internal/expand"
)

// authenticators makes the [[authenticator]]s of a configuration into what sessions
// ask. Guesses, and secrets hashed at a time, are counted for the process: a new
// configuration changes neither.
type authenticators struct {
	log     Log
	guesses *auth.Guesses
	costs   *auth.Costs

	latest atomic.Pointer[authSetup]
	making sync.Mutex
}

// authSetup is what was made of one configuration. It is never changed.
type authSetup struct {
	cfg    *config.Config
	server *auth.Server // nil: it has no authenticator
}

// A secret is hashed in some 20 ms: half of the processors are for mail.
const (
	maxWaiting   = 100
	hashPatience = 5 * time.Second
)

func newAuthenticators(log Log) *authenticators {
	return &authenticators{
		log: log, guesses: auth.NewGuesses(),
		costs: auth.NewCosts(max(1, runtime.GOMAXPROCS(0)/2), maxWaiting, hashPatience),
	}
}

// of returns the server for sessions of a configuration, nil where nobody can
// authenticate.
func (a *authenticators) of(cfg *config.Config) *auth.Server {
	if len(cfg.Authenticators) == 0 {
		return nil
	}
	if made := a.latest.Load(); made != nil && made.cfg == cfg {
		return made.server
	}
	a.making.Lock()
	defer a.making.Unlock()
	if made := a.latest.Load(); made != nil && made.cfg == cfg {
		return made.server
	}
	made := &authSetup{cfg, a.server(cfg)}
	a.latest.Store(made)
	return made.server
}

func (a *authenticators) server(cfg *config.Config) *auth.Server {
	s := &auth.Server{Hostname: cfg.PrimaryHostname, Guesses: a.guesses, Costs: a.costs}
	files := map[string]*auth.Users{}
	for i := range cfg.Authenticators {
		c := &cfg.Authenticators[i]
		if !c.IsServer() {
			continue
		}
		one := &auth.Authenticator{
			Name: c.Name, Driver: c.Driver, PublicName: c.PublicName, Prompts: c.ServerPrompts,
			Condition: asked(c.ServerCondition), SetID: asked(c.ServerSetID),
			Secret: asked(c.ServerSecret), Advertise: asked(c.ServerAdvertiseCondition),
		}
		if file := c.ServerUsers; file != "" {
			if files[file] == nil {
				files[file] = a.users(file)
			}
			one.Users = files[file]
		}
		s.Authenticators = append(s.Authenticators, one)
	}
	if len(s.Authenticators) == 0 {
		return nil
	}
	return s
}

// users opens a file of users, and has the operator told of its faults.
func (a *authenticators) users(file string) *auth.Users {
	u, err := auth.OpenUsers(file, func(fault error) {
		if fault == nil {
			a.log.Notice("server_users: " + file + " is good again, and in force")
			return
		}
		a.log.Panic("server_users: what was read before stays in force: "+fault.Error(), nil)
	})
	if err != nil {
		a.log.Panic("server_users: AUTH is answered 454 until this is mended: "+err.Error(), nil)
	}
	return u
}

// asked makes an option what an authenticator asks: $1 and $auth1 are what the
// client said first.
func asked(o *expand.String) auth.Expand {
	if o == nil {
		return nil
	}
	return func(of expand.Env, vars []string) (string, error) {
		var start expand.Start
		for i, v := range vars[:min(len(vars), len(start.Groups)-1)] {
			start.Groups[i+1] = expand.FromNetwork(v)
		}
		v, err := o.EvalFrom(answers{of, vars}, &start)
		return v.String(), err
	}
}

// answers are a session, and what its client has sent for AUTH.
type answers struct {
	expand.Env
	vars []string
}

func (a answers) AppendVar(b []byte, v expand.Var) []byte {
	if v < expand.Auth1 || v > expand.Auth3 {
		return a.Env.AppendVar(b, v)
	}
	if i := int(v - expand.Auth1); i < len(a.vars) {
		b = append(b, a.vars[i]...)
	}
	return b
}
