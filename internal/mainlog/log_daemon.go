package mainlog

import "strings"

// What happened to the daemon: one function an event.

// Started says that the daemon is up and where it listens.
func (l *Log) Started(version string, pid int, listening []string) {
	n := l.begin("started", ID{})
	if n == nil {
		return
	}
	n.text(" mtad ", "version", version)
	n.number(" started: pid=", "pid", int64(pid))
	n.text(", listening on ", "listening", strings.Join(listening, " "))
	n.end(toMain)
}

// Stopping says that the daemon drains, and why: "TERM", "mtad drain".
func (l *Log) Stopping(why string) { l.say("stopping", " mtad stopping: ", why, toMain) }

// Stopped is the last line: what was left in the spool.
func (l *Log) Stopped(text string) { l.say("stopped", " mtad stopped: ", text, toMain) }

// Reloaded says how a reload ended. With an error the old configuration stays in force.
func (l *Log) Reloaded(err error) {
	if err == nil {
		l.say("reloaded", " ", "configuration reloaded", toMain)
		return
	}
	l.say("reload_failed", " reload failed, the old configuration stays in force: ", err.Error(), toPanic)
}

// Notice is something worth knowing.
func (l *Log) Notice(text string) { l.say("notice", " ", text, toMain) }

// Warning is something that the operator should look at when there is time.
func (l *Log) Warning(text string) { l.say("warning", " Warning: ", text, toMain) }

// Acted is one line of the audit trail.
func (l *Log) Acted(a Act) {
	n := l.begin("acted", ID{})
	if n == nil {
		return
	}
	n.word(" admin: ", "verb", a.Verb)
	if a.Target != "" {
		n.text(" ", "target", a.Target)
	}
	n.text(" by ", "who", a.Who)
	n.text(": ", "result", a.Result)
	n.end(toMain)
}

// AdminRefused says that somebody without the token asked for what needs it.
func (l *Log) AdminRefused(remote, why string) {
	n := l.beginFlood(floodAdmin, "admin_refused", ID{})
	if n == nil {
		return
	}
	n.text(" admin: refused to ", "remote", remote)
	n.text(": ", "reason", why)
	n.end(toReject)
}

// Panic says what an operator must see at once: paniclog, mainlog and standard
// error. stack may be nil; it stays within the line, its newlines as \n.
func (l *Log) Panic(text string, stack []byte) {
	n := l.beginFlood(floodPanic, "panic", ID{})
	if n == nil {
		return
	}
	n.text(" ", "text", text)
	if len(stack) > 0 {
		n.stack(stack)
	}
	n.end(toPanic)
}

func (l *Log) say(event, lit, text string, to target) {
	n := l.begin(event, ID{})
	if n == nil {
		return
	}
	n.text(lit, "text", text)
	n.end(to)
}

// droppedLine says how many lines of one file were lost while its disk was full or hung.
func (l *Log) droppedLine(b []byte, count uint64) []byte {
	n := l.begin("dropped", ID{})
	n.number(" ", "count", int64(count))
	n.lit(" log lines were lost: the disk was full or too slow")
	b = append(b, n.finish()...)
	l.lines.Put(n)
	return b
}

// AcceptFailed says that a connection could not be taken: most often the
// process has no file descriptors left.
func (l *Log) AcceptFailed(listener string, err error) {
	n := l.beginFlood(floodPanic, "accept_failed", ID{})
	if n == nil {
		return
	}
	n.text(" cannot accept a connection on ", "listener", listener)
	n.text(": ", "error", err.Error())
	n.end(toPanic)
}
