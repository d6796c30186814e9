package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	selfSignedFile = "tls-self-signed.pem"
	selfSignedDays = 365
	renewAhead     = 30 * 24 * time.Hour
)

// Request is for a new self-signed certificate.
type Request struct {
	Hosts []string // names and addresses, the first one also as common name
	Days  int      // that it is valid
	RSA   bool     // RSA of 2048 bits instead of ECDSA P-256
}

// Generate makes a key and its self-signed certificate, for use as server and as
// client, both as PEM.
func Generate(r Request) (certPEM, keyPEM []byte, err error) {
	if len(r.Hosts) == 0 {
		return nil, nil, errors.New("cannot make a certificate for no host")
	}
	key, err := newKey(r.RSA)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a key: %w", err)
	}
	t, err := template(r, time.Now())
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a certificate for %s: %w", r.Hosts[0], err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot write the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func newKey(useRSA bool) (crypto.Signer, error) {
	if useRSA {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func template(r Request, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("cannot make a serial number: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             now.Add(-time.Hour), // a peer's clock may be slow
		NotAfter:              now.AddDate(0, 0, r.Days),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if r.RSA {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	if len(r.Hosts[0]) <= 64 { // RFC 5280 A.1: ub-common-name
		t.Subject = pkix.Name{CommonName: r.Hosts[0]}
	}
	for _, h := range r.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return t, nil
}

// SelfSigned returns the name of the file in dir with a self-signed certificate
// and key for the host. It is made, or made anew, where there is none, it is for
// another host, or it is valid for less than 30 days more.
func SelfSigned(dir, hostname string) (file string, err error) {
	file = filepath.Join(dir, selfSignedFile)
	p, err := LoadPair(file, file)
	if errors.Is(err, os.ErrPermission) {
		return "", err
	}
	if err == nil && !due(p.Certificate.Leaf, hostname, time.Now()) {
		return file, nil
	}
	cert, key, err := Generate(Request{Hosts: []string{hostname}, Days: selfSignedDays})
	if err != nil {
		return "", err
	}
	if err = os.MkdirAll(dir, 0o700); err == nil {
		err = WriteAtomic(file, append(key, cert...))
	}
	if err != nil {
		return "", fmt.Errorf("cannot keep the self-signed certificate: %w", err)
	}
	return file, nil
}

func due(c *x509.Certificate, hostname string, now time.Time) bool {
	return checkName(c, hostname) != nil || now.Before(c.NotBefore) || now.After(c.NotAfter.Add(-renewAhead))
}

// WriteAtomic puts a file in place as a whole, readable by its owner alone.
func WriteAtomic(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is none
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// watchSelfSigned makes the certificate when it is first asked for, and renews
// it in time.
func watchSelfSigned(dir, hostname string) *watched[*Pair] {
	file := filepath.Join(dir, selfSignedFile)
	var leaf *x509.Certificate // owned by whoever looks
	return watch(
		func() (string, error) {
			v, err := stampsOf(file)
			if err == nil && (leaf == nil || !due(leaf, hostname, time.Now())) {
				return v, nil
			}
			if _, err := SelfSigned(dir, hostname); err != nil {
				return "", err
			}
			return stampsOf(file)
		},
		func() (*Pair, error) {
			if _, err := SelfSigned(dir, hostname); err != nil { // what is there may be faulty
				return nil, err
			}
			p, err := LoadPair(file, file)
			if err == nil {
				leaf = p.Certificate.Leaf
			}
			return p, err
		})
}
