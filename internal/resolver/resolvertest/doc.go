// Package resolvertest is a DNS server for tests: it says what a script tells
// it, and misbehaves where the script says so.
//
//	; name             type  data                 a TTL may stand before the type; else 300
//	example.org        MX    10 mx1.example.org
//	mx1.example.org    60 A  192.0.2.1
//	example.org        SOA   60                   seconds that "there is none" holds, here and below; a TTL before SOA counts if less
//	slow.example.org   A     !slow 3s             a record's type, or * for all
//	dead.example.org   *     !silent
//	*                  *     !servfail            * as the name: whatever is asked
//
// Names are absolute. The server behaves like a recursive one: it follows CNAMEs,
// says NXDOMAIN to names that it does not know and nothing to types that it does
// not. Rules ("!") are tried before records, in the order of the script; what
// they can do stands in rules.go. A rule may end with "xN": it holds N times.
//
// New serves on a port of this machine; Pipe serves through Dial alone, without
// the network, as testing/synctest wants it.
package resolvertest
