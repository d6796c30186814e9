// Package tlsstate is a socket that lives as long as its TCP connection and is
// in clear or in TLS: start, describe, shut down to the bare socket, start
// again, as often as wanted. It holds no policy.
package tlsstate
