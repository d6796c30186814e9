package tlsstate

// State describes how a socket is protected: plain values, the zero value is
// a socket in clear.
type State struct {
	On       bool
	Version  string // "TLSv1.3"
	Cipher   string // OpenSSL's name: "TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"
	Bits     int    // key length of the cipher
	PeerDN   string // subject of the peer's certificate, "/C=UK/O=Example/CN=client"; "" without one
	Verified bool   // the peer's certificate was verified
	Resumed  bool   // the session goes on with the keys of an earlier one
	SNI      string // server name the client asked for
}
