package certs

import (
	"fmt"
	"slices"
	"strings"

	"mtad/internal/spell"
	"mtad/tlsstate"
)

// classes are the words of ciphers(1) that stand for several ciphers. Each says
// whether a suite of this build is meant, by OpenSSL's name of it. Suites of TLS
// 1.3 have no key exchange and no authentication in their names: ECDHE means
// them, as this build has no other exchange; RSA and ECDSA do not.
var classes = map[string]func(name string) bool{
	"ALL": all, "COMPLEMENTOFALL": none, "COMPLEMENTOFDEFAULT": old,
	"DEFAULT": func(n string) bool { return !old(n) },
	"HIGH":    func(n string) bool { return !has("3DES")(n) && !has("DES-CBC3")(n) },
	"MEDIUM":  none, "LOW": none, "EXP": none, "EXPORT": none, "EXPORT40": none, "EXPORT56": none,
	"aNULL": none, "eNULL": none, "NULL": none, "ADH": none, "AECDH": none,

	"ECDHE": ecdhe, "EECDH": ecdhe, "kECDHE": ecdhe, "kEECDH": ecdhe, "ECDH": ecdhe, "kECDH": none,
	"DHE": none, "EDH": none, "kDHE": none, "kEDH": none, "DH": none, "kDHr": none, "kDHd": none, "kDH": none,
	"kRSA": kRSA, "RSA": kRSA,
	"aRSA":   func(n string) bool { return kRSA(n) || strings.HasPrefix(n, "ECDHE-RSA-") },
	"aECDSA": has("ECDHE-ECDSA-"), "ECDSA": has("ECDHE-ECDSA-"), "aDSS": none, "DSS": none, "aDH": none, "aECDH": none,
	"PSK": none, "kPSK": none, "aPSK": none, "kECDHEPSK": none, "kDHEPSK": none, "kRSAPSK": none, "SRP": none, "kSRP": none, "aSRP": none,

	"TLSv1.3": tls13, "TLSv1.2": func(n string) bool { return !tls13(n) && !cbcSHA1(n) },
	"TLSv1": cbcSHA1, "TLSv1.0": cbcSHA1, "SSLv3": cbcSHA1, "SSLv2": none,

	"AES": has("AES"), "AES128": func(n string) bool { return has("AES128")(n) || has("AES_128")(n) },
	"AES256":   func(n string) bool { return has("AES256")(n) || has("AES_256")(n) },
	"AESGCM":   func(n string) bool { return has("GCM")(n) },
	"CHACHA20": has("CHACHA20"), "3DES": has("DES-CBC3"), "DES": none, "RC4": none, "RC2": none, "IDEA": none, "SEED": none,
	"AESCCM": none, "AESCCM8": none, "CAMELLIA": none, "CAMELLIA128": none, "CAMELLIA256": none, "ARIA": none, "ARIA128": none,
	"ARIA256": none, "ARIAGCM": none, "GOST": none, "MD5": none,
	"SHA": cbcSHA1, "SHA1": cbcSHA1, "CBC": none,
	"SHA256": func(n string) bool { return strings.HasSuffix(n, "-SHA256") && !has("GCM")(n) },
	"SHA384": func(n string) bool { return strings.HasSuffix(n, "-SHA384") && !has("GCM")(n) },
}

func all(string) bool       { return true }
func none(string) bool      { return false }
func tls13(n string) bool   { return strings.HasPrefix(n, "TLS_") }
func ecdhe(n string) bool   { return tls13(n) || strings.HasPrefix(n, "ECDHE-") }
func kRSA(n string) bool    { return !ecdhe(n) }
func cbcSHA1(n string) bool { return strings.HasSuffix(n, "-SHA") }
func old(n string) bool     { return !slices.Contains(modern, offered[n]) && !tls13(n) }

func has(part string) func(string) bool {
	return func(n string) bool { return strings.Contains(n, part) }
}

// findClass returns the suites of this build that are in all the classes of
// "ECDHE+AESGCM", the modern ones first; not ok: there is no such class.
func findClass(word string) (found []uint16, ok bool) {
	var in []func(string) bool
	for class := range strings.SplitSeq(word, "+") {
		is, ok := classes[class]
		if !ok {
			return nil, false
		}
		in = append(in, is)
	}
	for _, s := range allOffered {
		name, _ := tlsstate.Cipher(s)
		if !slices.ContainsFunc(in, func(is func(string) bool) bool { return !is(name) }) {
			found = append(found, s)
		}
	}
	return found, true
}

var allOffered = func() []uint16 {
	list := slices.Concat(suites13, modern)
	var rest []uint16
	for _, s := range offered {
		if !slices.Contains(list, s) {
			rest = append(rest, s)
		}
	}
	slices.Sort(rest)
	return append(list, rest...)
}()

// unknown is the error for a word that is none of those known, with the nearest.
func unknown(kind, word string, known []string) error {
	slices.Sort(known)
	best := spell.Nearest(word, known)
	if best == "" {
		return fmt.Errorf("unknown %s %q", kind, word)
	}
	return fmt.Errorf("unknown %s %q (did you mean %q?)", kind, word, best)
}
