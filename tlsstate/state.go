package tlsstate

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strconv"
	"strings"
)

// State describes how a socket is protected: plain values, the zero value is
// a socket in clear.
type State struct {
	On       bool
	Version  string // "TLSv1.3"
	Cipher   string // OpenSSL's name: "TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"
	Bits     int    // key length of the cipher
	PeerDN   string // subject of the peer's certificate, "/C=UK/O=Example/CN=client"; "" without one
	Verified bool   // crypto/tls built a chain for the peer's certificate; false where a function of the tls.Config's decides instead
	Resumed  bool   // the session goes on with the keys of an earlier one
	SNI      string // server name the client asked for
}

// CipherLog is the cipher as the log's X= has it:
// "TLSv1.3:TLS_AES_128_GCM_SHA256:128"; "" in clear.
func (s State) CipherLog() string {
	if !s.On {
		return ""
	}
	return s.Version + ":" + s.Cipher + ":" + strconv.Itoa(s.Bits)
}

func describe(cs tls.ConnectionState) State {
	st := State{
		On:       true,
		Version:  VersionName(cs.Version),
		Verified: len(cs.VerifiedChains) > 0,
		Resumed:  cs.DidResume,
		SNI:      cs.ServerName,
	}
	st.Cipher, st.Bits = Cipher(cs.CipherSuite)
	if len(cs.PeerCertificates) > 0 {
		st.PeerDN = DN(cs.PeerCertificates[0].Subject)
	}
	return st
}

// VersionName is OpenSSL's name of a version of TLS: "TLSv1.3".
func VersionName(v uint16) string {
	switch v {
	case tls.VersionTLS13:
		return "TLSv1.3"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS10:
		return "TLSv1"
	case 0x0300: // tls.VersionSSL30, which is deprecated
		return "SSLv3"
	}
	return fmt.Sprintf("0x%04x", v)
}

// DN writes the subject or issuer of a parsed certificate as Exim and OpenSSL's
// X509_NAME_oneline do: "/C=UK/O=Example/CN=client", in the certificate's order.
// Bytes outside of printable ASCII are written \xHH, and so are / and \ in a
// value: a name that contains "/CN=x" never looks like one that has that CN.
func DN(name pkix.Name) string {
	var b strings.Builder
	for _, a := range name.Names {
		b.WriteByte('/')
		b.WriteString(attribute(a.Type))
		b.WriteByte('=')
		value, ok := a.Value.(string)
		if !ok {
			value = fmt.Sprint(a.Value)
		}
		escape(&b, value)
	}
	return b.String()
}

// attribute is OpenSSL's short name of a part of a DN, or its number.
func attribute(oid asn1.ObjectIdentifier) string {
	for _, a := range attributes {
		if a.oid.Equal(oid) {
			return a.short
		}
	}
	return oid.String()
}

func escape(b *strings.Builder, s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '/' || c == '\\' {
			fmt.Fprintf(b, `\x%02X`, c)
		} else {
			b.WriteByte(c)
		}
	}
}

// attributes are what subjects are made of, the frequent ones first.
var attributes = []struct {
	oid   asn1.ObjectIdentifier
	short string
}{
	{asn1.ObjectIdentifier{2, 5, 4, 3}, "CN"},
	{asn1.ObjectIdentifier{2, 5, 4, 10}, "O"},
	{asn1.ObjectIdentifier{2, 5, 4, 6}, "C"},
	{asn1.ObjectIdentifier{2, 5, 4, 11}, "OU"},
	{asn1.ObjectIdentifier{2, 5, 4, 7}, "L"},
	{asn1.ObjectIdentifier{2, 5, 4, 8}, "ST"},
	{asn1.ObjectIdentifier{2, 5, 4, 4}, "SN"},
	{asn1.ObjectIdentifier{2, 5, 4, 5}, "serialNumber"},
	{asn1.ObjectIdentifier{2, 5, 4, 9}, "street"},
	{asn1.ObjectIdentifier{2, 5, 4, 12}, "title"},
	{asn1.ObjectIdentifier{2, 5, 4, 13}, "description"},
	{asn1.ObjectIdentifier{2, 5, 4, 15}, "businessCategory"},
	{asn1.ObjectIdentifier{2, 5, 4, 17}, "postalCode"},
	{asn1.ObjectIdentifier{2, 5, 4, 41}, "name"},
	{asn1.ObjectIdentifier{2, 5, 4, 42}, "GN"},
	{asn1.ObjectIdentifier{2, 5, 4, 43}, "initials"},
	{asn1.ObjectIdentifier{2, 5, 4, 44}, "generationQualifier"},
	{asn1.ObjectIdentifier{2, 5, 4, 46}, "dnQualifier"},
	{asn1.ObjectIdentifier{2, 5, 4, 65}, "pseudonym"},
	{asn1.ObjectIdentifier{2, 5, 4, 97}, "organizationIdentifier"},
	{asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, "UID"},
	{asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, "DC"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, "emailAddress"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 2}, "unstructuredName"},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 1}, "jurisdictionL"},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 2}, "jurisdictionST"},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3}, "jurisdictionC"},
}
