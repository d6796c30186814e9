package actors

import (
	"mtad/internal/outbound"
	"mtad/internal/queue"
)

// passage is how the connection goes on to the next message.
func (a *attempt) passage() outbound.Passage {
	inTLS := a.conn.Socket.State().On
	t := a.transport().Config
	p := outbound.PassageOf(inTLS, t.TLSHandoff, t.TLSHandoffFallback, inTLS && a.h.handoffs.has(a.job.Host))
	if p == outbound.ShutDown && a.conn.Anonymous != "" { // only the first message of a connection may go without AUTH
		return outbound.Reconnect
	}
	return p
}

func (a *attempt) mayBeHandedOn() bool { return a.passage() != outbound.Reconnect }

// takeOver makes a connection that was handed on ready for the message. False: it
// is given up, and the message goes on a new one at once (SPEC H3).
func (a *attempt) takeOver() bool {
	passage := a.passage()
	switch {
	case a.conn.Lane != a.job.Lane || a.conn.Target.Addr != a.job.Host.Addr:
		panic("BUG: a connection of lane " + a.conn.Lane + " was given a message of lane " + a.job.Lane)
	case passage == outbound.AsItIs && !a.conn.Socket.State().On:
		countHandoff("clear")
		a.conn.HandedOn = true
		return true
	case passage == outbound.AsItIs:
		countHandoff("kept")
		a.conn.HandedOn = true
		return true
	case passage == outbound.Reconnect: // learnt while it lingered
		a.h.quit(a.take())
		return false
	}
	return a.shutDown()
}

func (a *attempt) shutDown() bool {
	t := a.transport()
	settings, fault := t.Settings(a.conn.Target)
	if fault != nil { // a new connection says so too, and is judged
		a.h.quit(a.take())
		return false
	}
	if fault = outbound.TakeOver(a.ctx, a.conn, settings); fault != nil {
		countHandoff("refused")
		if fault.NoCarryOn {
			a.h.handoffs.learn(a.job.Host, t.Config.TLSHandoffMemory, fault.Text)
		}
		return false
	}
	if a.conn.Socket.State().Resumed {
		countHandoff("resumed")
	} else {
		countHandoff("full")
	}
	return true
}

// Remembered lists the hosts that do not go on after TLS was shut down, with the
// end of that memory in RFC 3339.
func (d *Daemon) Remembered() map[queue.HostAddr]string {
	all := make(map[queue.HostAddr]string)
	for host, until := range d.handoffs.list() {
		all[host] = "does not go on after TLS was shut down; asked again at " + until.Format("2006-01-02T15:04:05Z07:00")
	}
	return all
}

// RememberedCount is how many they are.
func (d *Daemon) RememberedCount() int { return d.handoffs.count() }

// Forget ends what is remembered of a host, by name, address or address and
// port, and returns how many entries there were.
func (d *Daemon) Forget(host string) int { return d.handoffs.forget(host) }
