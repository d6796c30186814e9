// Package dsn writes what the sender of a message is told about it: bounces, delay
// warnings, and word that a message was relayed to a host that reports nothing
// itself. It makes bytes and writes them nowhere.
//
//	multipart/report; report-type=delivery-status          RFC 6522
//	├─ text/plain                   for people, in the voice of Exim's bounces
//	├─ message/delivery-status      for programs: RFC 3464
//	└─ message/rfc822               the message; text/rfc822-headers where that
//	                                is asked for (RET=HDRS), or it is large
//
// One report tells of all recipients of a message that share a fate. What
// strangers chose (replies, addresses, subjects) comes as printable ASCII on folded
// lines; what is returned of the message stays byte for byte, in a part of its own.
package dsn
