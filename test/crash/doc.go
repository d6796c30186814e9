// Package crash kills a relay with SIGKILL at random moments under load and
// holds the sender's ledger against the sink's: nothing acknowledged may be
// lost, nothing invented, nothing torn, and nothing delivered twice but what
// was open when a kill struck; who cannot be delivered to is reported to the sender,
// once (reported.go). At each rest in between, the relay's counters must
// agree with the ledgers, and no file of a message may be left.
//
//	sender (never killed) → relay (killed, restarted) → sink (never killed)
//	   └── intent, acked, nacked, unknown ─┐  ┌── got ──┘
//	                                      judge
//
// Plain `go test` runs a few kills; `go test ./test/crash -args -kills 50` the
// whole of it, and the mutants that the harness must find: mtad built with the
// tag mutant (spool/mutant.go, actors/mutant_on.go). The seed is printed; -seed
// repeats its choices, though not the machine's.
//
// A run of its own (-handovers, three kills without it) has a next hop with
// STARTTLS, and kills within two milliseconds of a connection's TLS being shut down
// for its next message. Forty such kills cut 102 connections between close_notify
// and MAIL: of 14,270 messages acknowledged none was lost, and 43 recipients got
// theirs twice, each time the last message of a connection that a kill had cut.
//
// A kill leaves the page cache alone: what a missing fsync does is for the
// power-cut model of package spool to find.
package crash
