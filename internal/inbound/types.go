// Package inbound is one SMTP session as server over a tlsstate socket. A verb
// is a row in a table; each handler is parse, decide, apply.
package inbound

// The contract, as actors uses it:
//
//	type Server struct { … }            what all sessions share: built once, immutable but for SetConfig
//	NewServer(Deps) *Server             Deps{Config func() *config.Config; Spool *spool.Spool; Log *mainlog.Log;
//	                                         Arrived func(*spool.Envelope)   called after 250 is durable and before it is written; must not block
//	                                         Draining func() bool }
//	(*Server) Serve(sock *tlsstate.Socket, Listener) error
//	                                    one session from banner to close; does not close the socket; returns how it ended (nil: QUIT or EOF)
//	(*Server) Refuse(sock, reply)       421 and nothing more (smtp_accept_max, draining)
//	Listener{Name string; TLS string; Protocol string}
