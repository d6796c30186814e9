package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// groups has the names of RFC 8446 and IANA, of NIST and of OpenSSL.
var groups = map[string]tls.CurveID{
	"X25519": tls.X25519,
	"P-256":  tls.CurveP256, "SECP256R1": tls.CurveP256, "PRIME256V1": tls.CurveP256,
	"P-384": tls.CurveP384, "SECP384R1": tls.CurveP384,
	"P-521": tls.CurveP521, "SECP521R1": tls.CurveP521,
	"X25519MLKEM768": tls.X25519MLKEM768, "SECP256R1MLKEM768": tls.SecP256r1MLKEM768, "SECP384R1MLKEM1024": tls.SecP384r1MLKEM1024,
}

var groupNames = []string{"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "X25519", "P-256", "P-384", "P-521"}

// ParseGroups reads tls_groups, key exchange groups separated by colons; the
// order is crypto/tls's. An empty list is nil, the engine's default.
func ParseGroups(list string) ([]tls.CurveID, error) {
	var ids []tls.CurveID
	var faults []error
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return strings.ContainsRune(": ,", r) }) {
		id, ok := groups[strings.ToUpper(word)]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("%w; there are %s", unknown("group", word, slices.Clone(groupNames)), strings.Join(groupNames, ", ")))
		case !slices.Contains(ids, id):
			ids = append(ids, id)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return ids, nil
}
