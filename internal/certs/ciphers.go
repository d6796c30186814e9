package certs

import (
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mtad/tlsstate"
)

// Ciphers is a parsed cipher list: what may be negotiated. Immutable. nil is the
// default: TLS 1.3, and TLS 1.2 with ECDHE and an AEAD.
//
// crypto/tls decides the order. Its choice among the suites of TLS 1.3 cannot be
// narrowed: see Server and Client for what becomes of a list that has some.
type Ciphers struct {
	Warnings []string // what the list names and cannot have, and what that means

	names   []string            // as the list gives them
	allowed map[uint16]struct{} // of both versions
	tls12   []uint16            // for tls.Config.CipherSuites; never nil
	tls13   int                 // how many of TLS 1.3 there are
}

// modern are the suites of TLS 1.2 that are offered without being named.
var modern = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

var suites13 = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256}

// offered are the suites that this build can negotiate, by OpenSSL's name. RC4
// is not among them (RFC 7465).
var offered = func() map[string]uint16 {
	m := make(map[string]uint16)
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if name, bits := tlsstate.Cipher(s.ID); bits > 0 && !strings.Contains(name, "RC4") {
			m[name] = s.ID
		}
	}
	return m
}()

// ParseCiphers reads a list as `openssl ciphers` does: OpenSSL's names, and those
// of its class words that name the ciphers of today (HIGH, ECDHE+AESGCM, !SHA1).
// A class takes only modern suites in; all others must be named. A name that
// OpenSSL does not know is an error; one that this build cannot offer is a
// warning, and an error where nothing else is left.
func ParseCiphers(list string) (*Ciphers, error) {
	p := cipherParser{banned: map[uint16]bool{}}
	for item := range strings.FieldsFuncSeq(list, func(r rune) bool { return strings.ContainsRune(": ,;", r) }) {
		p.item(item)
	}
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	if len(p.list) == 0 {
		return nil, p.empty()
	}
	return p.ciphers(), nil
}

// Allows tells whether a negotiated suite is in the list.
func (c *Ciphers) Allows(suite uint16) bool {
	if c == nil {
		return true
	}
	_, ok := c.allowed[suite]
	return ok
}

// Names lists what can be negotiated by OpenSSL's names, in the list's order.
func (c *Ciphers) Names() []string { return c.names }

// serve tells whether a server with that key (nil: that of the self-signed
// certificate) can use any of the list: in TLS 1.2 the cipher names its kind.
func (c *Ciphers) serve(own *Pair) bool {
	isRSA := false
	if own != nil {
		_, isRSA = own.Certificate.PrivateKey.(*rsa.PrivateKey)
	}
	return c.tls13 > 0 || slices.ContainsFunc(c.names, func(n string) bool { return has("ECDSA")(n) != isRSA })
}

// configure narrows a configuration to the list.
func (c *Ciphers) configure(cfg *tls.Config) {
	cfg.MinVersion, cfg.CipherSuites = tls.VersionTLS12, modern
	if c == nil {
		return
	}
	cfg.CipherSuites = c.tls12
	if len(c.tls12) == 0 {
		cfg.MinVersion = tls.VersionTLS13
	}
	if c.tls13 == 0 {
		cfg.MaxVersion = tls.VersionTLS12
	}
}

// check is the last word on what was negotiated.
func (c *Ciphers) check(cs tls.ConnectionState) error {
	if c.Allows(cs.CipherSuite) {
		return nil
	}
	name, _ := tlsstate.Cipher(cs.CipherSuite)
	return refusal(NoCommonCipher, "the cipher %s is not in tls_verify_ciphers", name)
}

type cipherParser struct {
	list    []uint16
	banned  map[uint16]bool // by "!": for good
	lacking []string        // known to OpenSSL alone
	idle    []string        // class words with nothing in them
	faults  []error
}

func (p *cipherParser) item(item string) {
	op, word := byte(0), item
	if strings.IndexByte("!-+@", item[0]) >= 0 {
		op, word = item[0], item[1:]
	}
	if op == '@' {
		if word != "STRENGTH" && !strings.HasPrefix(word, "SECLEVEL=") {
			p.faults = append(p.faults, fmt.Errorf("unknown word %q", item))
		}
		return // the order is crypto/tls's, and so is the least strength
	}
	found, ok := p.find(word)
	if !ok {
		p.faults = append(p.faults, unknownCipher(word))
		return
	}
	switch op {
	case '!', '-':
		p.list = slices.DeleteFunc(p.list, func(s uint16) bool { return slices.Contains(found, s) })
		for _, s := range found {
			p.banned[s] = p.banned[s] || op == '!'
		}
	case 0:
		p.add(word, found)
	}
}

// find returns the suites of this build that a word means; not ok: OpenSSL does
// not know it.
func (p *cipherParser) find(word string) ([]uint16, bool) {
	if s, ok := offered[word]; ok {
		return []uint16{s}, true
	}
	if _, ok := opensslCiphers[word]; ok {
		return nil, true
	}
	return findClass(word)
}

func (p *cipherParser) add(word string, found []uint16) {
	_, named := offered[word]
	if _, known := opensslCiphers[word]; known && !named {
		p.lacking = append(p.lacking, word)
		return
	}
	before := len(p.list)
	for _, s := range found {
		byDefault := named || slices.Contains(modern, s) || slices.Contains(suites13, s)
		if byDefault && !p.banned[s] && !slices.Contains(p.list, s) {
			p.list = append(p.list, s)
		}
	}
	if !named && len(p.list) == before && len(found) == 0 {
		p.idle = append(p.idle, word)
	}
}

func (p *cipherParser) ciphers() *Ciphers {
	c := &Ciphers{allowed: make(map[uint16]struct{}), tls12: []uint16{}}
	for _, s := range p.list {
		name, _ := tlsstate.Cipher(s)
		c.names = append(c.names, name)
		c.allowed[s] = struct{}{}
		if slices.Contains(suites13, s) {
			c.tls13++
		} else {
			c.tls12 = append(c.tls12, s)
		}
	}
	if left := append(p.lacking, p.idle...); len(left) > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("this build cannot offer %s: left out; it can offer %s", strings.Join(left, ", "), canOffer()))
	}
	if c.tls13 == 0 {
		c.Warnings = append(c.Warnings, "the list keeps TLS 1.3 out: it names none of "+strings.Join(namesOf(suites13), ", "))
	}
	return c
}

func (p *cipherParser) empty() error {
	if left := append(p.lacking, p.idle...); len(left) > 0 {
		return fmt.Errorf("nothing is left of the list, since this build cannot offer %s; it can offer %s", strings.Join(left, ", "), canOffer())
	}
	return fmt.Errorf("the list leaves no cipher; this build can offer %s", canOffer())
}

// canOffer lists the suites of this build, the best first.
func canOffer() string {
	all := namesOf(slices.Concat(suites13, modern))
	var old []string
	for name := range offered {
		if !slices.Contains(all, name) {
			old = append(old, name)
		}
	}
	slices.Sort(old)
	return strings.Join(append(all, old...), ", ")
}

func namesOf(suites []uint16) (names []string) {
	for _, s := range suites {
		name, _ := tlsstate.Cipher(s)
		names = append(names, name)
	}
	return names
}

func unknownCipher(word string) error {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if name, bits := tlsstate.Cipher(s.ID); s.Name == word && bits > 0 {
			return fmt.Errorf("unknown cipher %q (did you mean %q? it is OpenSSL's name)", word, name)
		}
	}
	var known []string
	for name := range opensslCiphers {
		known = append(known, name)
	}
	for name := range classes {
		known = append(known, name)
	}
	return unknown("cipher", word, known)
}
