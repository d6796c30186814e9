package tlsstate

import (
	"crypto"
	_ "crypto/sha256" // the hashes that ServerEndPoint can need
	_ "crypto/sha512"
	"crypto/x509"
	"errors"
)

// Exporter is the channel binding "tls-exporter" (RFC 9266 2), the same on both
// sides. It fails in clear, and in TLS 1.2 without the extended master secret.
func (s *Socket) Exporter() ([]byte, error) {
	if s.tls == nil {
		return nil, errors.New("no channel binding: TLS is off")
	}
	cs := s.tls.ConnectionState()
	return cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
}

// ServerEndPoint is the channel binding "tls-server-end-point" (RFC 5929 4.1)
// for a server with this certificate: its hash, by the hash function of its
// signature, SHA-256 in place of MD5 and SHA-1; nil where that has none.
func ServerEndPoint(cert *x509.Certificate) []byte {
	hash := crypto.SHA256
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		hash = crypto.SHA512
	case x509.PureEd25519, x509.UnknownSignatureAlgorithm:
		return nil
	}
	h := hash.New()
	h.Write(cert.Raw)
	return h.Sum(nil)
}
