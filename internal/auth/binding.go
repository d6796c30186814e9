package auth

import (
	"crypto/x509"

	"github.com/xdg-go/scram"

	"mtad/tlsstate"
)

// Bindings is what the TLS session of a socket can be bound by, best first: nil
// in clear. server is the certificate that the server showed in it.
func Bindings(sock *tlsstate.Socket, server *x509.Certificate) []scram.ChannelBinding {
	st := sock.State()
	if !st.On {
		return nil
	}
	var all []scram.ChannelBinding
	if st.Version == "TLSv1.3" { // before, the two ways of no context differ between engines
		if data, err := sock.Exporter(); err == nil { // RFC 9266
			all = append(all, scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: data})
		}
	}
	if server != nil {
		if data := tlsstate.ServerEndPoint(server); data != nil { // RFC 5929 4
			all = append(all, scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: data})
		}
	}
	return all
}
