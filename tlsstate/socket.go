// Package tlsstate is a socket that lives as long as its TCP connection and is
// in clear or in TLS: start, describe, shut down to the bare socket, start
// again, as often as wanted. It holds no policy.
package tlsstate

// The contract of *Socket, as sessions use it:
//
//	New(net.Conn) *Socket
//	(*Socket) Read(p []byte) (int, error)           io.EOF: the peer ended the TCP connection in order
//	(*Socket) Write(p []byte) (int, error)
//	(*Socket) WriteBuffers(*net.Buffers) (int64, error)     one writev where the socket is in clear
//	(*Socket) SetReadDeadline(time.Time) error; SetWriteDeadline
//	(*Socket) LocalAddr, RemoteAddr() netip.AddrPort        unmapped (no ::ffff:)
//	(*Socket) Close() error                          the TCP connection; safe to call from another goroutine, ends a blocked Read
//	(*Socket) State() State                          plain values: On, Version, Cipher (OpenSSL name), Bits, PeerDN, Verified, Resumed, SNI
//
// TLS comes as StartServer, StartClient and Shutdown.
