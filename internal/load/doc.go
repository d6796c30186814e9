// Package load is the load generator and the test server behind `mtad send`
// and `mtad sink`.
//
// It shares no code with what it tests: its SMTP is its own, small and strict
// enough to judge by. A message it makes carries its own proof:
//
//	X-Mtad-Id: 5f1c02-41        unique; the first line, so that all that follows is ours
//	X-Mtad-Sum: 9ae01b77        CRC-32C of all that follows this line
//	X-Mtad-Sent: 17639…         nanoseconds since the epoch, when MAIL was written
//	From: … To: … Date: …
//
//	5f1c02-41                   then lines of many lengths, dots at their start
//
// What a relay puts on top is not covered; one byte changed below is seen. A
// Sender says in a ledger what it meant to send and what became of it; a Sink
// says what it got and what it answered. Held against each other they tell
// what was lost, doubled, torn or invented.
package load
