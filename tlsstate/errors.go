package tlsstate

import "errors"

var (
	// ErrCloseNotify is how Read ends when the peer has ended TLS in order, the
	// TCP connection standing (RFC 8446 6.1). All that it sent in TLS has been
	// read. Shutdown answers it, and belongs before anything else.
	ErrCloseNotify = errors.New("the peer ended TLS")

	// ErrCut is how Read ends when the TCP connection ended while TLS was on.
	// Who cut it is not known: what was read before is no whole of anything.
	ErrCut = errors.New("the connection was cut in TLS, without close_notify")

	// ErrClear says that the peer, or somebody between, sent clear text where
	// only TLS may be.
	ErrClear = errors.New("clear text came where TLS must be")

	// ErrClearBehind says that there was clear text behind STARTTLS, or behind
	// the reply to it, before the handshake (CVE-2011-0411).
	ErrClearBehind = errors.New("clear text came between STARTTLS and the handshake")

	// ErrLate says that the peer went on with data in TLS after our close_notify.
	ErrLate = errors.New("data came in TLS after TLS was ended")

	// ErrFlood says that the peer sent thousands of TLS records with next to
	// nothing in them.
	ErrFlood = errors.New("too many TLS records with nothing in them")
)
