package actors

import (
	"context"
	"errors"
	"strings"
	"time"

	"mtad/internal/dsn"
	"mtad/internal/mainlog"
	"mtad/internal/outbound"
	"mtad/internal/queue"
	"mtad/spool"
)

// attempt is the blocking part of a delivery: one job, from the spool to the
// next hop and back. It is run by one goroutine; its results are read by the
// actor (or, after that one's death, by the supervisor) once done is closed.
type attempt struct {
	// Set at birth.
	h      *Daemon
	job    queue.Job
	under  *setup
	ctx    context.Context
	cancel context.CancelFunc // ends the attempt: its socket closes
	done   chan struct{}

	// Owned by the goroutine until done is closed, then by the actor.
	conn   *outbound.Conn // nil: to be dialled; afterwards nil where it cannot carry another message
	report queue.Report

	// Owned by the actor.
	reported bool

	// Owned by the goroutine.
	env   *spool.Envelope
	began time.Time
}

// take gives the connection away, once.
func (a *attempt) take() *outbound.Conn {
	conn := a.conn
	a.conn = nil
	return conn
}

// run is the goroutine.
func (a *attempt) run() {
	defer close(a.done)
	a.report = queue.Report{Delivery: a.job.Delivery, Epoch: a.job.Epoch, Message: a.job.Message}
	a.began = time.Now()
	a.deliver()
	a.h.spool.Forget(a.job.Message)
	if a.conn != nil && !a.conn.Usable() {
		a.take().Abort()
	}
	a.report.Open = a.conn != nil && a.mayBeHandedOn()
}

// deliver takes the message from the spool, gets a connection and sends it.
func (a *attempt) deliver() {
	msg, ok := a.open()
	if !ok {
		return
	}
	defer msg.Body.Release()
	if a.conn == nil {
		if fault := a.dial(); fault != nil {
			a.hostFailed(fault, msg.Rcpts)
			return
		}
	} else if !a.takeOver() {
		a.report.Again = true
		return
	}
	a.transact(a.conn.Settings, msg)
}

// transport is the job's: a job is given out under the setup that it was routed by.
func (a *attempt) transport() *outbound.Transport { return a.under.transports[a.job.Transport] }

// dial opens a new connection.
func (a *attempt) dial() *outbound.Fault {
	host := target(a.job.Host)
	settings, fault := a.transport().Settings(host)
	if fault != nil {
		return fault
	}
	conn, fault := outbound.Dial(a.ctx, host, settings)
	if fault != nil {
		return fault
	}
	if conn.Clear != "" {
		a.h.log.InClear(a.job.Message, a.host(), conn.Clear)
	}
	if conn.Anonymous != "" {
		a.h.log.Unauthenticated(a.job.Message, a.host(), conn.Anonymous)
	}
	conn.Lane = a.job.Lane
	a.conn = conn
	return nil
}

// open reads envelope and body. What is gone or done already (an operator's
// hand, a queue that died) is reported as it stands in the spool.
func (a *attempt) open() (*outbound.Message, bool) {
	a.report.Host = queue.HostUntried
	env, err := a.h.spool.Envelope(a.job.Message)
	if err != nil {
		a.gone()
		return nil, false
	}
	a.env = env
	var rcpts []int
	for _, i := range a.job.Rcpts {
		if env.Recipients[i].State == spool.Pending {
			rcpts = append(rcpts, i)
		} else {
			a.report.Outcomes = append(a.report.Outcomes, settled(env, i))
		}
	}
	if len(rcpts) == 0 {
		return nil, false
	}
	body, err := a.h.spool.Body(a.job.Message)
	if err != nil {
		a.unreadable(err, rcpts)
		return nil, false
	}
	return &outbound.Message{Envelope: env, Rcpts: rcpts, Body: body}, true
}

// gone reports a message that the spool no longer has.
func (a *attempt) gone() {
	for _, i := range a.job.Rcpts {
		a.report.Outcomes = append(a.report.Outcomes, spool.Outcome{ID: a.job.Message, Rcpt: i, State: spool.Discarded})
	}
}

// settled is the outcome that a recipient has already.
func settled(env *spool.Envelope, i int) spool.Outcome {
	r := &env.Recipients[i]
	return spool.Outcome{ID: env.ID, Rcpt: i, State: r.State, Attempts: r.Attempts, FirstFail: r.FirstFail, At: r.LastTry, Error: r.LastError}
}

// unreadable handles a message whose bytes cannot be had. One that is damaged has
// been set aside by the spool and is out of the schedule; one that cannot be
// read at present waits.
func (a *attempt) unreadable(err error, rcpts []int) {
	if errors.Is(err, spool.ErrBroken) || errors.Is(err, spool.ErrUnknown) {
		a.h.log.Damaged(a.job.Message, err.Error())
		a.gone()
		return
	}
	a.decide(outbound.Fates(&outbound.Fault{
		Scope: outbound.ScopeMessage, Kind: "spool", Text: "cannot read the message from the spool: " + err.Error(),
	}, rcpts))
}

// decide records fates after which nothing else of the message is under way.
func (a *attempt) decide(fates []outbound.Fate) {
	if err := a.record(fates); err != nil {
		a.h.log.Panic("cannot record what became of "+a.job.Message.String()+": "+err.Error(), nil)
	}
}

// transact sends the message on the connection at hand.
func (a *attempt) transact(settings *outbound.Settings, msg *outbound.Message) {
	a.mutate(msg)
	res := outbound.Deliver(a.ctx, a.conn, settings, msg, a.record)
	if res.Again {
		a.report.Again = true
		if res.Fault.InDoubt {
			a.h.log.InDoubt(a.job.Message, a.host(), res.Fault.Text)
		}
		return
	}
	a.report.Host = queue.HostOK
	if f := res.Fault; f != nil && (f.Scope == outbound.ScopeHost || f.Busy) {
		a.blame(f)
		if !a.job.LastHost && f.Scope == outbound.ScopeHost {
			a.leave(f)
			return
		}
	}
	a.decide(res.Fates)
}

// hostFailed handles a host that could not be had at all: the next one is the
// queue's to choose; with none left it is the message's deferral.
func (a *attempt) hostFailed(f *outbound.Fault, rcpts []int) {
	if a.ctx.Err() != nil { // we hung up ourselves: nobody's failure
		a.report.Again = true
		return
	}
	a.blame(f)
	if !a.job.LastHost {
		a.leave(f)
		return
	}
	a.decide(outbound.Fates(f, rcpts))
}

// blame puts a fault into the report.
func (a *attempt) blame(f *outbound.Fault) {
	a.report.Host = queue.HostFailed
	if f.Busy {
		a.report.Host = queue.HostBusy
	}
	a.report.Kind, a.report.Error = f.Kind, f.Text
}

// record makes fates durable, then tells log and metrics: first the spool, so
// that what the log says is true after a crash too.
func (a *attempt) record(fates []outbound.Fate) error {
	if len(fates) == 0 {
		return nil
	}
	now := time.Now()
	outcomes := make([]spool.Outcome, len(fates))
	for i := range fates {
		outcomes[i] = a.outcome(&fates[i], now)
	}
	a.h.reached("attempt: answered")
	success := a.relayed(fates)
	err := a.commitWith(success, outcomes)
	a.h.reached("attempt: recorded")
	a.report.Outcomes = append(a.report.Outcomes, outcomes...)
	a.tell(fates)
	if err == nil && success != nil && success.Envelope != nil {
		a.h.reports.sent(dsn.Relayed, a.job.Message, success.Envelope)
	}
	return err
}

// commit waits out a full disk: the far side has answered, and that must not be
// forgotten. Deliveries so pause by themselves until there is space.
func (a *attempt) commit(b *spool.Batch) error {
	for {
		err := a.h.spool.Commit(b)
		if !errors.Is(err, spool.ErrFull) {
			return err
		}
		select {
		case <-a.ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// outcome is the recipient's new state.
func (a *attempt) outcome(f *outbound.Fate, now time.Time) spool.Outcome {
	r := &a.env.Recipients[f.Rcpt]
	o := spool.Outcome{ID: a.env.ID, Rcpt: f.Rcpt, Attempts: r.Attempts + 1, FirstFail: r.FirstFail, At: now, Error: f.Error}
	switch f.Kind {
	case outbound.Delivered:
		o.State = spool.Delivered
	case outbound.Failed:
		o.State = spool.Failed
	default:
		o.State = spool.Pending
		if o.FirstFail.IsZero() {
			o.FirstFail = now
		}
		if a.report.Kind == "" {
			a.report.Kind = f.ErrNo
		}
	}
	return o
}

// tell writes the log lines of one transaction and counts it.
func (a *attempt) tell(fates []outbound.Fate) {
	first, worst := true, outbound.Delivered
	for i := range fates {
		f := &fates[i]
		worst = max(worst, f.Kind)
		address := a.env.Recipients[f.Rcpt].Address
		switch f.Kind {
		case outbound.Delivered:
			a.h.log.Delivered(mainlog.Delivery{
				ID: a.env.ID, First: first, Address: address, Router: a.job.Router, Transport: a.job.Transport,
				Host: a.host(), HandedOn: a.conn.HandedOn, TLS: a.tls(), Authenticator: a.conn.Authenticator, Reply: f.Reply,
			})
			first = false
			countDelivered(time.Since(a.env.Received))
		case outbound.Failed:
			a.h.log.Failed(mainlog.Failure{ID: a.env.ID, Address: address, Router: a.job.Router, Transport: a.job.Transport, Text: f.Error})
		default:
			a.h.log.Deferred(mainlog.Deferral{ID: a.env.ID, Address: address, Router: a.job.Router, Transport: a.job.Transport, Code: f.Code, Text: f.Error})
		}
	}
	countAttempt(a.job.Transport, worst, time.Since(a.began))
}

// host is the job's host as the log names it.
func (a *attempt) host() mainlog.Host {
	return mainlog.Host{Name: a.job.Host.Name, IP: a.job.Host.Addr.Addr().String()}
}

// leave logs that this host is left for the next one. The line names the host
// itself.
func (a *attempt) leave(f *outbound.Fault) {
	text := f.Text
	if name, rest, ok := strings.Cut(text, "]: "); ok && strings.HasPrefix(name, "H=") {
		text = rest
	}
	a.h.log.HostFailed(mainlog.HostFailure{ID: a.job.Message, Host: a.host(), Text: text})
}

// tls describes the connection for the log.
func (a *attempt) tls() mainlog.TLS {
	st := a.conn.Socket.State()
	return mainlog.TLS{Cipher: st.CipherLog(), Verified: a.conn.Verified, PeerDN: st.PeerDN}
}
