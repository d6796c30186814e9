package certs

import (
	"fmt"
	"strconv"
	"strings"

	"mtad/tlsstate"
)

// maxListed is how many of the cipher suites that a client offered are told.
const maxListed = 20

// Explain words the error of a handshake for the log. Where crypto/tls lists in
// hex what a client offered, which can be thousands, it gives the first of them,
// cipher suites and versions by OpenSSL's names, and how many more there were.
func Explain(err error) string {
	text := err.Error()
	before, rest, found := strings.Cut(text, ": [")
	list, after, ended := strings.Cut(rest, "]")
	if !found || !ended || !strings.Contains(before, "client offered") {
		return text
	}
	codes := strings.Fields(list)
	more := ""
	if n := len(codes) - maxListed; n > 0 {
		codes, more = codes[:maxListed], fmt.Sprintf(" and %d more", n)
	}
	name := tlsstate.VersionName
	if strings.Contains(before, "cipher") {
		name = func(id uint16) string { s, _ := tlsstate.Cipher(id); return s }
	} else if !strings.Contains(before, "version") {
		name = nil
	}
	for i, code := range codes {
		if id, err := strconv.ParseUint(code, 16, 16); err == nil && name != nil {
			codes[i] = name(uint16(id))
		}
	}
	return before + ": [" + strings.Join(codes, " ") + more + "]" + after
}
