package mainlog

import "cmp"

// What happened to a message: one function an event.

// Received says that a message is ours now: <=.
func (l *Log) Received(r Reception) {
	n := l.begin("received", r.ID)
	if n == nil {
		return
	}
	n.mark("<=")
	n.sender("sender", r.Sender)
	n.id(" R=", "bounce_of", r.BounceOf)
	if r.Client.Addr.IsValid() {
		n.client(" H=", r.Client)
	}
	n.word(" U=", "user", r.User)
	n.word(" P=", "protocol", r.Protocol)
	n.tls(r.TLS, false)
	n.auth(r.Authenticator, r.AuthID)
	n.number(" S=", "size", r.Size)
	n.word(" id=", "message_id", r.MessageID)
	if n.json && r.Recipients > 0 {
		n.number("", "recipients", int64(r.Recipients))
	}
	n.end(toMain)
}

// Delivered says that the next hop took a recipient: =>, or -> for the others
// of a transaction.
func (l *Log) Delivered(d Delivery) {
	n := l.begin("delivered", d.ID)
	if n == nil {
		return
	}
	if d.First {
		n.mark("=>")
	} else {
		n.mark("->")
	}
	n.address(" ", "address", d.Address)
	n.route(d.Router, d.Transport)
	n.host(" H=", d.Host)
	n.handedOn(d.HandedOn)
	n.tls(d.TLS, true)
	n.auth(d.Authenticator, "")
	n.quoted(" C=", "reply", d.Reply)
	n.end(toMain)
}

// Deferred says that a recipient has to wait: ==.
func (l *Log) Deferred(d Deferral) {
	n := l.begin("deferred", d.ID)
	if n == nil {
		return
	}
	n.mark("==")
	n.address(" ", "address", d.Address)
	n.route(d.Router, d.Transport)
	n.lit(" defer")
	n.deferCode(d.Code)
	n.text(": ", "error", d.Text)
	n.time("next_attempt", d.Next)
	n.end(toMain)
}

// Failed says that a recipient was given up: **.
func (l *Log) Failed(f Failure) {
	n := l.begin("failed", f.ID)
	if n == nil {
		return
	}
	n.mark("**")
	n.address(" ", "address", f.Address)
	n.route(f.Router, f.Transport)
	n.text(": ", "error", f.Text)
	n.end(toMain)
}

// HostFailed says that a host was left for the next one.
func (l *Log) HostFailed(h HostFailure) {
	n := l.begin("host_failed", h.ID)
	if n == nil {
		return
	}
	n.host(" H=", h.Host)
	n.text(": ", "error", h.Text)
	n.end(toMain)
}

// InClear says that a session goes on in clear though TLS was tried with its host
// or refused by it.
func (l *Log) InClear(id ID, h Host, why string) {
	l.ofSession("in_clear", id, h, ": in clear: ", "reason", why)
}

// Unauthenticated says that a session goes on without AUTH though it was tried
// with its host.
func (l *Log) Unauthenticated(id ID, h Host, why string) {
	l.ofSession("unauthenticated", id, h, ": unauthenticated: ", "reason", why)
}

// InDoubt says that a session was cut off between the final dot and its answer:
// the next hop may have the message, and will be sent it again.
func (l *Log) InDoubt(id ID, h Host, why string) {
	l.ofSession("in_doubt", id, h, ": possibly delivered, will be tried again: ", "error", why)
}

// ofSession tells something of a session with a host, and why.
func (l *Log) ofSession(event string, id ID, h Host, words, key, why string) {
	n := l.begin(event, id)
	if n == nil {
		return
	}
	n.host(" H=", h)
	n.text(words, key, why)
	n.end(toMain)
}

// Completed says that nothing of a message remains.
func (l *Log) Completed(id ID) { l.about(id, "completed", " Completed", "", "") }

// Frozen says that a message is not tried any more until it is thawed.
func (l *Log) Frozen(id ID, why string) { l.about(id, "frozen", " Frozen: ", "reason", why) }

// Thawed says that a frozen message is tried again.
func (l *Log) Thawed(id ID, who string) { l.about(id, "thawed", " Unfrozen by ", "who", who) }

// Retried says that an operator had a message tried at once.
func (l *Log) Retried(id ID, who string) {
	l.about(id, "retried", " Retry forced by ", "who", who)
}

// Removed says that an administrator discarded what remained of a message.
func (l *Log) Removed(id ID, who string) { l.about(id, "removed", " removed by ", "who", who) }

// Rerouted says that an administrator sends what remains of a message elsewhere, or, with
// to "", where the routers say.
func (l *Log) Rerouted(id ID, to, who string) {
	n := l.begin("rerouted", id)
	if n == nil {
		return
	}
	n.text(" rerouted to ", "to", cmp.Or(to, "where the routers say"))
	n.text(" by ", "who", who)
	n.end(toMain)
}

// ErrorIgnored says that a bounce could not be delivered to a recipient, and that
// nobody is told.
func (l *Log) ErrorIgnored(id ID, address, why string) {
	n := l.begin("error_ignored", id)
	if n == nil {
		return
	}
	n.address(" ", "address", address)
	n.text(": error ignored: ", "reason", why)
	n.end(toMain)
}

// Cancelled says that an administrator gave up what remained of a message; its sender is told.
func (l *Log) Cancelled(id ID, who string) { l.about(id, "cancelled", " cancelled by ", "who", who) }

// Damaged says that a message cannot be read back from the spool and what was done with it.
func (l *Log) Damaged(id ID, text string) { l.about(id, "damaged", " damaged: ", "error", text) }

// about is an event of one message with at most one fact.
func (l *Log) about(id ID, event, lit, name, value string) {
	n := l.begin(event, id)
	if n == nil {
		return
	}
	if name == "" {
		n.lit(lit)
	} else {
		n.text(lit, name, value)
	}
	n.end(toMain)
}

// HostLearnt says that something is remembered of a host from now on, or no more.
func (l *Log) HostLearnt(h Host, text string) {
	n := l.begin("host_learnt", ID{})
	if n == nil {
		return
	}
	n.host(" H=", h)
	n.text(": ", "text", text)
	n.end(toMain)
}
