package outbound

// Fault is trouble with a session or a host, told in words for the log.
type Fault struct {
	Scope     Scope
	Permanent bool // a 5xx: still only this host's fault for ScopeHost
	// Kind is for the retry rules: "connect", "timeout", "tls", "auth", "refused",
	// "lost_connection", "protocol" (what came was no SMTP, or was out of step),
	// "mail_451", "rcpt_452", "data_4xx" (a 5xx that is only this host's), "spool" (our
	// own side could not send or record), "shutdown" (ctx ended). "" for a refusal for
	// good.
	Kind  string
	Code  int    // Exim's number in "defer (-38)"
	Text  string // sanitised: "H=mx.z.example [192.0.2.8]: Connection refused"
	Reply string // the server's last line, where one decided it
	Busy  bool   // 421: the host asks for less
	// inClear: the same host is to be tried again, on a new connection in clear.
	inClear bool
	// NoCarryOn: the server does not go on after TLS was shut down (SPEC H5).
	NoCarryOn bool
	// InDoubt: the final dot was sent and not answered. The message may have been
	// delivered.
	InDoubt bool
}

func (f *Fault) Error() string { return f.Text }
