// Package resolver asks the DNS on behalf of routing and of host lists: it is
// a stub that talks to recursive servers, never to the roots.
//
//	LookupAddrs  LookupMX  ReverseNames          resolver.go reverse.go   what callers ask
//	      │   /etc/hosts answers first           hosts.go watched.go
//	      ▼
//	   store: cache and flights                  store.go      one question on the wire, however many ask it
//	      ▼
//	   resolve: aliases, servers, rounds         ask.go        who is asked, and again
//	      ▼
//	   exchange: one question, one socket        exchange.go   UDP with EDNS0, TCP on truncation or doubt
//	      ▼
//	   parse, conclude: bytes to an answer       message.go conclude.go   pure; whatever arrives
//
// An answer is found, NXDOMAIN, no data or a temporary failure (Kind); only the
// first three are facts, and only they may decide the fate of mail. Nothing of
// an answer is believed that was not asked for, and no name leaves the package
// that is not made of letters, digits, hyphens and underscores.
package resolver
