// Package handover finds out what other servers do when TLS is shut down in
// mid-session and the session goes on ("It is not known if other servers operate
// successfully in these circumstances", Exim 3.20, chapter 38.3), and that mtad
// brings all its mail to each of them whatever they do. It writes the table of
// docs/interop.md:
//
//	go test -tags interop ./test/interop/handover -args -slow -write
//
// Without -slow only the servers that start fast are tried.
package handover
