// Package tlsstate is a socket that lives as long as its TCP connection and is
// in clear or in TLS: start, describe, shut down to the bare socket, start
// again, as often as wanted. It holds no policy: what to offer, whom to trust
// and what to do about a fault is the caller's.
//
// # Layers
//
//	       session                 reads lines, writes replies; has drained its own buffer before Start…
//	          │
//	       Socket                  one a TCP connection; in clear it goes straight to it
//	          │  in TLS
//	       tls.Conn                one a TLS session
//	          │
//	       wire                    one a TLS session: a reader that ends at each record, a writer
//	          │                    that gathers records and falls silent when the session is over
//	  ┌───────┴───────┐
//	input           net.Conn       bytes read ahead belong to the socket, so that they outlive the
//	  │               │            session; their buffer is pooled, and nobody holds one while it waits
//	  └──── kernel ───┘
//
// # Life
//
//	clear    → TLS       StartServer, StartClient
//	         → dead      they failed: no byte is read or written any more
//	TLS      → closing   Read returned ErrCloseNotify
//	         → ending    Shutdown
//	         → dead      any other error of Read (ErrCut, ErrClear, ErrFlood …), or a write that failed
//	closing  → clear     Shutdown, at once: the peer waits for the answer
//	ending   → clear     Read: the peer's close_notify, or clear text without one, has come
//	         → dead      data in TLS (ErrLate), a record that is none
//	dead     →           Close is all that is left
//
// To write, ending is clear already: the close_notify has been sent, and a
// client's next EHLO may follow in the same segment. To read, the rest of the
// TLS session (tickets, an alert, close_notify) is still in the way, and goes
// through its tls.Conn, which alone can tell its last record. A record begins
// with a byte from 20 to 23 and no line of SMTP does, so a peer that sends no
// close_notify back is understood without a wait.
//
// # What never happens
//
// What came in clear before a handshake is not read after it: neither what the
// session holds (the argument behind), nor what the socket holds, nor what the
// kernel holds, which the handshake meets as ErrClearBehind. What comes in
// clear while TLS is on is an error and no data. A TCP connection that ends in
// TLS is ErrCut, however the bytes fell. After any of these there is no way
// back to clear text.
//
// # For callers
//
// A server reads; on ErrCloseNotify it writes nothing more, calls Shutdown and
// goes on in clear from the state before EHLO. To end a connection in order:
// Shutdown, then Close. A tls.Config does best with DynamicRecordSizingDisabled:
// nobody waits for a part of a message.
package tlsstate
