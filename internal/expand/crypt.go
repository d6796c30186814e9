package expand

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// cryptEqual is crypteq: whether text is what was hashed. The hash is
//
//	{md5} or {sha1} and the digest, in hexadecimal or Base64
//	{crypt} or nothing and $5$salt$..., $6$salt$... (SHA-256, SHA-512) or $2b$... (bcrypt)
//
// Older forms of crypt(3) (DES, $1$) and $y$ are errors.
func cryptEqual(e *evaluation, text, hashed string) (bool, error) {
	scheme, rest := "crypt", hashed
	if strings.HasPrefix(hashed, "{") {
		var ok bool
		if scheme, rest, ok = strings.Cut(hashed[1:], "}"); !ok {
			return false, errors.New("crypteq: a } is missing behind the scheme")
		}
	}
	switch lower(scheme) {
	case "md5":
		sum := md5.Sum([]byte(text))
		return digestEqual(sum[:], rest), nil
	case "sha1":
		sum := sha1.Sum([]byte(text))
		return digestEqual(sum[:], rest), nil
	case "crypt":
		return crypt3Equal(e, text, rest)
	}
	return false, fmt.Errorf("crypteq: there is no scheme {%s}; there are {md5}, {sha1} and {crypt}", clip(scheme))
}

func digestEqual(sum []byte, written string) bool {
	want, err := base64.StdEncoding.DecodeString(written)
	if len(written) == 2*len(sum) {
		want, err = hex.DecodeString(written)
	}
	return err == nil && subtle.ConstantTimeCompare(sum, want) == 1
}

// Limits of what one comparison may cost.
const (
	maxPassword = 512     // bytes
	maxRounds   = 400_000 // of SHA-crypt
	maxBcrypt   = 13      // the exponent

	// What these count as, in bytes of maxWork.
	workRound  = 40
	workBcrypt = 1 << 10

	desLength = 13 // of the oldest kind of hash
)

// crypt3Equal compares with a hash of crypt(3).
func crypt3Equal(e *evaluation, text, hashed string) (bool, error) {
	switch {
	case hashed == "" || len(text) > maxPassword:
		return false, nil
	case strings.HasPrefix(hashed, "$5$"):
		return shaCryptEqual(e, text, hashed, sha256.New, 10)
	case strings.HasPrefix(hashed, "$6$"):
		return shaCryptEqual(e, text, hashed, sha512.New, 21)
	case strings.HasPrefix(hashed, "$2"):
		cost, err := bcrypt.Cost([]byte(hashed))
		if err != nil || cost > maxBcrypt {
			return false, fmt.Errorf("crypteq: a faulty bcrypt hash, or a cost above %d", maxBcrypt)
		}
		if err := e.spend(1 << cost * workBcrypt); err != nil {
			return false, err
		}
		return bcrypt.CompareHashAndPassword([]byte(hashed), []byte(text)) == nil, nil
	}
	if len(hashed) == desLength || hashed[0] == '$' || hashed[0] == '_' {
		return false, errors.New("crypteq: the hashes of crypt(3) known here begin with $5$, $6$ or $2; make one with: openssl passwd -6")
	}
	return false, nil // not a hash: nothing equals it
}

// shaCryptEqual compares with $5$[rounds=n$]salt$digest or $6$...
func shaCryptEqual(e *evaluation, text, hashed string, newHash func() hash.Hash, third int) (bool, error) {
	rounds := 5000
	rest := hashed[3:]
	if given, ok := strings.CutPrefix(rest, "rounds="); ok {
		n, behind, _ := strings.Cut(given, "$")
		var err error
		if rounds, err = strconv.Atoi(n); err != nil || rounds > maxRounds {
			return false, fmt.Errorf("crypteq: the number of rounds is not one, or above %d", maxRounds)
		}
		rounds, rest = max(rounds, 1000), behind
	}
	if err := e.spend(rounds * workRound); err != nil {
		return false, err
	}
	salt, digest, ok := strings.Cut(rest, "$")
	if !ok {
		return false, nil
	}
	salt = salt[:min(len(salt), 16)]
	got := shaCrypt([]byte(text), []byte(salt), rounds, newHash, third)
	return subtle.ConstantTimeCompare([]byte(got), []byte(digest)) == 1, nil
}

// shaCrypt is the digest of Ulrich Drepper's "Unix crypt using SHA-256 and
// SHA-512"; third is a third of the bytes of a digest, without the last one or two.
func shaCrypt(key, salt []byte, rounds int, newHash func() hash.Hash, third int) string {
	h := newHash()
	sum := func(parts ...[]byte) []byte {
		h.Reset()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	b := sum(key, salt, key)
	first := [][]byte{key, salt, stretch(b, len(key))}
	for n := len(key); n > 0; n >>= 1 {
		if n&1 != 0 {
			first = append(first, b)
		} else {
			first = append(first, key)
		}
	}
	a := sum(first...)
	p := stretch(sum(repeat(key, len(key))...), len(key))
	s := stretch(sum(repeat(salt, 16+int(a[0]))...), len(salt))
	for i := range rounds {
		a = round(i, h, a, p, s)
	}
	return shaCryptText(a, third)
}

func round(i int, h hash.Hash, a, p, s []byte) []byte {
	front, back := a, p
	if i&1 != 0 {
		front, back = p, a
	}
	h.Reset()
	h.Write(front)
	if i%3 != 0 {
		h.Write(s)
	}
	if i%7 != 0 {
		h.Write(p)
	}
	h.Write(back)
	return h.Sum(a[:0:0])
}

// stretch repeats b up to n bytes.
func stretch(b []byte, n int) []byte {
	out := make([]byte, 0, n+len(b))
	for len(out) < n {
		out = append(out, b...)
	}
	return out[:n]
}

func repeat(b []byte, n int) [][]byte {
	parts := make([][]byte, n)
	for i := range parts {
		parts[i] = b
	}
	return parts
}

const cryptLetters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// shaCryptText writes three bytes, each of another third of the digest, as four
// letters; which third comes first goes round, one way or the other.
func shaCryptText(sum []byte, third int) string {
	var out []byte
	put := func(a, b, c byte, letters int) {
		for w := uint(a)<<16 | uint(b)<<8 | uint(c); letters > 0; letters-- {
			out = append(out, cryptLetters[w&63])
			w >>= 6
		}
	}
	turn := 1
	if len(sum) == sha256.Size {
		turn = 2
	}
	for i := range third {
		t := [3]byte{sum[i], sum[i+third], sum[i+2*third]}
		at := i * turn % 3
		put(t[at], t[(at+1)%3], t[(at+2)%3], 4)
	}
	if len(sum) == sha256.Size {
		put(0, sum[31], sum[30], 3)
	} else {
		put(0, 0, sum[63], 2)
	}
	return string(out)
}
