// Package auth is SASL in SMTP (RFC 4954), both sides, as dialogues without
// I/O: a line of the other side in, what to answer out.
//
//	server   Server.Begin(mechanism, initial) ─► Step{334} ─► Dialogue.Next(line) ─► Step{235 | 4xx | 5xx}
//	client   Client.Choose(offered) ─► Exchange.Start() ─► Exchange.Next(challenge) … Exchange.Finish()
//
// Secrets live in a Users file (users.toml, one table a user):
//
//	[user."bob"]
//	hash  = "$argon2id$v=19$m=19456,t=2,p=1$salt$key"                   for PLAIN and LOGIN; or "$2b$…", bcrypt
//	scram = "SCRAM-SHA-256$100000:salt$storedkey:serverkey"             for SCRAM
//	plain = "the secret itself"                                         for CRAM-MD5, which cannot do with less
//
// No secret, and nothing a peer sent, stands in an error or a Reason of this
// package.
package auth
