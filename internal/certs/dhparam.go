package certs

import (
	"encoding/asn1"
	"fmt"
	"math/big"

	"mtad/internal/lookup"
)

// CheckDHParam reads the file that tls_dhparam names and returns a notice for
// check and log: a sound file has no effect in this build.
func CheckDHParam(file string) (notice string, err error) {
	data, err := lookup.ReadFile(file, maxFile)
	if err != nil {
		return "", err
	}
	bits, err := parseDHParam(data)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return fmt.Sprintf("%s (%d bits) is in order and has no effect: this build has no finite-field Diffie-Hellman, all its ciphers with forward secrecy are ECDHE", file, bits), nil
}

// parseDHParam returns the size of the prime of PKCS #3 DHParameter, or of X9.42
// DomainParameters (RFC 3279 2.3.3), which begin alike.
func parseDHParam(data []byte) (bits int, err error) {
	blocks := pemBlocks(data)
	for _, b := range blocks {
		if b.Type != "DH PARAMETERS" && b.Type != "X9.42 DH PARAMETERS" {
			continue
		}
		var seq asn1.RawValue
		var p, g *big.Int
		rest, err := asn1.Unmarshal(b.Bytes, &seq)
		if err != nil || len(rest) > 0 || !seq.IsCompound || seq.Tag != asn1.TagSequence {
			return 0, fmt.Errorf("the DH PARAMETERS are faulty: openssl dhparam -out FILE 2048 makes new ones")
		}
		if rest, err = asn1.Unmarshal(seq.Bytes, &p); err == nil {
			_, err = asn1.Unmarshal(rest, &g)
		}
		one := big.NewInt(1)
		switch {
		case err != nil, p.Sign() <= 0, g.Cmp(one) <= 0, g.Cmp(new(big.Int).Sub(p, one)) >= 0, p.BitLen() > 16384:
			return 0, fmt.Errorf("the DH PARAMETERS are faulty: openssl dhparam -out FILE 2048 makes new ones")
		case p.BitLen() < 2048:
			return 0, fmt.Errorf("the DH PARAMETERS have %d bits and 2048 is the least: openssl dhparam -out FILE 2048 makes new ones", p.BitLen())
		case !p.ProbablyPrime(8):
			return 0, fmt.Errorf("the DH PARAMETERS are worthless: their modulus is no prime")
		}
		return p.BitLen(), nil
	}
	return 0, fmt.Errorf("there are no DH PARAMETERS in it: %s", contents(blocks, data))
}
