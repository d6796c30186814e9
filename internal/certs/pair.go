package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"mtad/internal/lookup"
)

// Pair is a private key and its certificate with the chain above it. Immutable.
type Pair struct {
	Certificate tls.Certificate // its Leaf is set
	File        string          // the one that the certificate is from
	Warnings    []string        // what serves, but badly: a weak key or signature, a chain in disorder
}

// LoadPair reads a PEM file with a certificate and those that lead to its issuer,
// and one with the private key; they can be the same file. The error says which
// file is wrong and what to do. An expired certificate is not an error here: see
// Pair.CheckTime.
func LoadPair(certFile, keyFile string) (*Pair, error) {
	certPEM, err := lookup.ReadFile(certFile, maxFile)
	if err != nil {
		return nil, err
	}
	keyPEM := certPEM
	if keyFile != certFile {
		if keyPEM, err = lookup.ReadFile(keyFile, maxFile); err != nil {
			return nil, err
		}
	}
	p, err := parsePair(certFile, certPEM, keyFile, keyPEM)
	if err == nil {
		err = checkMode(keyFile)
	}
	if err != nil {
		return nil, err
	}
	p.File = certFile
	return p, nil
}

// checkMode refuses a key that every user of the machine can read.
func checkMode(keyFile string) error {
	info, err := os.Stat(keyFile)
	if err != nil {
		return fileError(keyFile, err)
	}
	if info.Mode().Perm()&0o004 != 0 {
		return fmt.Errorf("%s holds a private key and every user of this machine can read it: chmod o-rwx %[1]s", keyFile)
	}
	return nil
}

func parsePair(certFile string, certPEM []byte, keyFile string, keyPEM []byte) (*Pair, error) {
	chain, err := parseChain(certFile, certPEM)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(keyFile, keyPEM)
	if err != nil {
		return nil, err
	}
	key, err := matchKey(certFile, chain, keyFile, keys)
	if err != nil {
		return nil, err
	}
	p := &Pair{Certificate: tls.Certificate{PrivateKey: key, Leaf: chain[0]}}
	for _, c := range chain {
		p.Certificate.Certificate = append(p.Certificate.Certificate, c.Raw)
	}
	p.Warnings, err = checkStrength(certFile, chain)
	return p, err
}

// parseChain reads all certificates, the server's own first.
func parseChain(file string, data []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	blocks := pemBlocks(data)
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d is faulty: %w", file, len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%s has no certificate: %s", file, contents(blocks, data))
	}
	return chain, nil
}

// parseKeys reads all private keys.
func parseKeys(file string, data []byte) ([]crypto.Signer, error) {
	var keys []crypto.Signer
	blocks := pemBlocks(data)
	for _, b := range blocks {
		switch {
		case !strings.HasSuffix(b.Type, "PRIVATE KEY"):
			continue
		case b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, fmt.Errorf("%s: the private key has a pass phrase, and nobody is there to type it: openssl pkey -in %[1]s -out new.pem takes it off", file)
		}
		key, err := parseKey(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no private key: %s", file, contents(blocks, data))
	}
	return keys, nil
}

func parseKey(b *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch b.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	default:
		return nil, fmt.Errorf("a key of the kind %q is of no use for TLS here (RSA, ECDSA and Ed25519 are)", b.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the private key is faulty, or of a kind other than RSA, ECDSA (P-256, P-384, P-521) and Ed25519: %w", err)
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, errors.New("the private key is neither RSA, ECDSA nor Ed25519")
}

// matchKey finds the key of the first certificate.
func matchKey(certFile string, chain []*x509.Certificate, keyFile string, keys []crypto.Signer) (crypto.Signer, error) {
	for i, c := range chain {
		for _, k := range keys {
			pub, ok := k.Public().(interface{ Equal(crypto.PublicKey) bool })
			if !ok || !pub.Equal(c.PublicKey) {
				continue
			}
			if i > 0 {
				return nil, fmt.Errorf("%s: the key belongs to certificate %d; that must stand first, and those of its issuers behind it", certFile, i+1)
			}
			return k, nil
		}
	}
	if certFile == keyFile {
		return nil, fmt.Errorf("%s: the private key is not that of the certificate", certFile)
	}
	return nil, fmt.Errorf("the private key in %s is not that of the certificate in %s", keyFile, certFile)
}

// checkStrength judges our own certificate (RFC 9325 4.1: 2048 bits of RSA, no
// SHA-1); what no peer of today accepts is an error.
func checkStrength(file string, chain []*x509.Certificate) (warnings []string, err error) {
	leaf := chain[0]
	if k, ok := leaf.PublicKey.(*rsa.PublicKey); ok {
		switch bits := k.N.BitLen(); {
		case bits < 1024:
			return nil, fmt.Errorf("%s: an RSA key of %d bits protects nothing: make a new one (mtad cert)", file, bits)
		case bits < 2048:
			warnings = append(warnings, fmt.Sprintf("%s: an RSA key of %d bits is weak and many peers refuse it: make a new one (mtad cert)", file, bits))
		}
	}
	for i, c := range chain {
		switch c.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA:
			return nil, fmt.Errorf("%s: certificate %d is signed with MD5, which anybody can forge: make a new one (mtad cert)", file, i+1)
		case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
			if !selfIssued(c) || i == 0 {
				warnings = append(warnings, fmt.Sprintf("%s: certificate %d is signed with SHA-1 and many peers refuse it: make a new one", file, i+1))
			}
		}
		if i > 0 && !bytes.Equal(chain[i-1].RawIssuer, c.RawSubject) {
			warnings = append(warnings, fmt.Sprintf("%s: certificate %d is not that of the issuer of certificate %d; peers may not find the way to a root", file, i+1, i))
		}
	}
	return warnings, nil
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// CheckTime is the error of a certificate of ours that is not valid now. A
// running daemon goes on with it: a peer that does not verify is better off
// than in clear, and one that does says so.
func (p *Pair) CheckTime(now time.Time) error {
	leaf := p.Certificate.Leaf
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%s: the certificate expired on %s: get a new one", p.File, leaf.NotAfter.UTC().Format(time.DateTime))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s: the certificate is valid from %s on only; is the clock right?", p.File, leaf.NotBefore.UTC().Format(time.DateTime))
	}
	return nil
}

func pemBlocks(data []byte) (blocks []*pem.Block) {
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return blocks
		}
		blocks = append(blocks, b)
	}
}

// contents says what a file holds that does not hold what it should.
func contents(blocks []*pem.Block, data []byte) string {
	switch {
	case len(data) == 0:
		return "it is empty"
	case len(blocks) > 0:
		return fmt.Sprintf("what is in it is %q", blocks[0].Type)
	case data[0] == 0x30:
		return "it looks like DER; PEM is needed: openssl x509 -inform der, openssl pkey -inform der"
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return "its PEM block is cut short or faulty"
	}
	return "it is not PEM (no line begins with -----BEGIN)"
}
