package outbound

// Passage is how a connection goes from one message to the next.
type Passage uint8

const (
	AsItIs    Passage = iota // in clear, or with its TLS session (SPEC H6, H8)
	ShutDown                 // TLS ends and begins anew (H1)
	Reconnect                // not at all (H5)
)

// PassageOf decides it: by the connection, tls_handoff and tls_handoff_fallback of
// the transport, and whether it is remembered of the host that it does not go on
// after TLS was shut down.
func PassageOf(inTLS bool, handoff, fallback string, remembered bool) Passage {
	switch {
	case !inTLS || handoff == "keep":
		return AsItIs
	case !remembered:
		return ShutDown
	case fallback == "reconnect":
		return Reconnect
	}
	return AsItIs
}
