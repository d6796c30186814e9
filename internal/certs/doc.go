// Package certs holds what TLS is configured from: key pairs, collections of
// trusted certificates, cipher lists and groups. It turns the values of options,
// already expanded for a host, into a tls.Config. Which hosts are asked for what
// is decided elsewhere.
//
//	files ──▶ watched (watched.go): parsed once, looked at once a second
//	            │  Pair (pair.go)   Trust (trust.go, hash.go)
//	            ▼
//	          Store (store.go): one tls.Config for equal options and equal files,
//	            │               so a connection reads no file and a returning
//	            │               peer resumes; what changes makes a new one, whose
//	            │               ticket keys know nothing of the old
//	            ├─ Server (server.go)   the next connection's configuration
//	            └─ Client (client.go)   the same, and the sessions to resume
//	          Verify (verify.go): who a peer is; anew on every resumption
//	          ParseCiphers (ciphers.go), ParseGroups (groups.go), CheckDHParam
//	          Reason (reason.go): why a handshake failed, for log and metrics
//
// # Files that change
//
// A changed file is used by the next connection, at most a second later. Where
// the new one is missing, cut short, or key and certificate do not match, the
// old ones serve for ten seconds more, since two files cannot be replaced at
// once; after that the fault is what every connection gets, until it is mended.
// At the first reading there is no such grace.
package certs
