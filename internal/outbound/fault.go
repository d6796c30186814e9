package outbound

// Fault is trouble with a session or a host, told in words for the log.
type Fault struct {
	Scope     Scope
	Permanent bool   // a 5xx: still only this host's fault for ScopeHost
	Kind      string // for the retry rules: "connect", "timeout", "tls", "auth", "refused", "lost_connection"
	Code      int    // Exim's number in "defer (-38)"
	Text      string // sanitised: "H=mx.z.example [192.0.2.8]: Connection refused"
	Busy      bool   // 421: the host asks for less
}

func (f *Fault) Error() string { return f.Text }
