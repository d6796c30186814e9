// Package crash kills a relay with SIGKILL at random moments under load and
// holds the sender's ledger against the sink's: nothing acknowledged may be
// lost, nothing invented, nothing torn, and nothing delivered twice but what
// was open when a kill struck.
//
//	sender (never killed) → relay (killed, restarted) → sink (never killed)
//	   └── intent, acked, nacked, unknown ─┐  ┌── got ──┘
//	                                      judge
//
// Plain `go test` runs a few kills; `go test ./test/crash -args -kills 50` the
// whole of it, and the mutants that the harness must find. The seed is printed;
// -seed repeats its choices, though not the machine's.
//
// A kill leaves the page cache alone: what a missing fsync does is for the
// power-cut model of package spool to find.
package crash
