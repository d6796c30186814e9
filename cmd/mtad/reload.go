package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"mtad/actors"
	"mtad/internal/admin"
	"mtad/internal/certs"
	"mtad/internal/config"
	"mtad/internal/mainlog"
)

// reloader lets the running daemon take over its configuration file as it is now: read
// and checked whole, then in force, or not at all.
type reloader struct {
	started *config.Config // some options stay as this has them
	daemon  *actors.Daemon
	log     *mainlog.Log
	certs   *certs.Store

	one sync.Mutex // at a time
}

// reload opens the log files anew and takes the configuration over. The outcome has one
// change a line; with an error the old configuration stays in force. The log has both.
func (r *reloader) reload() (outcome string, err error) {
	r.one.Lock()
	defer r.one.Unlock()
	r.reopen()
	done, err := r.takeOver()
	admin.ObserveReload(err)
	if err != nil {
		for _, text := range eachMistake(err) {
			r.log.Reloaded(errors.New(text))
		}
		return "", err
	}
	for _, line := range done {
		r.log.Notice("configuration: " + line)
	}
	r.log.Reloaded(nil)
	return strings.Join(append([]string{"configuration reloaded"}, done...), "\n"), nil
}

func (r *reloader) reopen() {
	if err := r.log.Reopen(); err != nil {
		r.log.Panic("cannot open the log files anew, writing to the old ones: "+err.Error(), nil)
	}
}

// takeOver returns what is different now.
func (r *reloader) takeOver() (done []string, err error) {
	before := r.daemon.Config()
	after, err := read(before.File)
	if err != nil {
		return nil, err
	}
	if err := config.Fixed(before, after); err != nil {
		return nil, err
	}
	makeCertificate(after, r.certs, r.log)
	if err := r.daemon.Reconfigure(after, listenAnew(before)); err != nil {
		return nil, err
	}
	for _, w := range after.Warnings {
		r.log.Warning(w)
	}
	for _, c := range config.Changes(before, after) {
		done = append(done, c.String())
	}
	for _, key := range config.Later(r.started, after) {
		done = append(done, key+": takes effect when mtad is restarted")
	}
	if done == nil {
		done = []string{"no option has changed"}
	}
	return done, nil
}

// listenAnew is listen, and knows that an address may be ours already.
func listenAnew(before *config.Config) func(string) (net.Listener, error) {
	return func(address string) (net.Listener, error) {
		l, err := listen(address)
		_, port, _ := net.SplitHostPort(address)
		for _, old := range before.Listen {
			if _, taken, _ := net.SplitHostPort(old.Address); err != nil && taken == port {
				return nil, fmt.Errorf("cannot listen on %s while this mtad listens on %s: take that out, reload, and then put %s in; or restart", address, old.Address, address)
			}
		}
		return l, err
	}
}

// eachMistake takes an error apart.
func eachMistake(err error) (all []string) {
	faults := new(config.Errors)
	if !errors.As(err, &faults) {
		return []string{err.Error()}
	}
	for _, m := range faults.Mistakes {
		all = append(all, m.String())
	}
	return all
}
