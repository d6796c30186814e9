// Package inbound is one SMTP session as server over a tlsstate socket. A verb
// is a row in a table; each handler is parse, decide, apply.
//
//	Serve (server.go) ── run (session.go): a line ─▶ its verb's row (verbs.go) ─▶ handler ─▶ reply
//	                                                        │
//	     EHLO HELO (hello.go)   MAIL (mail.go)   RCPT (rcpt.go)   DATA (data.go)   BDAT (bdat.go)
//	                                                        │
//	     message.go: bytes ─▶ draft, looked at as they pass (headers.go) ─▶ Received: (received.go)
//	                 ─▶ spool.Commit: durable ─▶ log ─▶ Arrived ─▶ 250
//
// Words and forms of the protocol are internal/smtp's; what is allowed is
// internal/policy's; what is refused is said by a named value of replies.go and
// counted in metrics.go.
package inbound
