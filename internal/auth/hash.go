package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// hash is a secret that can be verified and not be had back.
type hash interface{ matches(secret string) bool }

// What new entries cost: argon2id as OWASP has it (19 MB, two passes: some 20
// ms), and for SCRAM the passes the client pays.
const (
	argonMemory     = 19456 // KB
	argonTime       = 2
	argonThreads    = 1
	scramIterations = 100_000
	saltSize        = 16
	keySize         = 32
)

var noPadding = base64.RawStdEncoding.Strict()

type argonHash struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func (h argonHash) matches(secret string) bool {
	return subtle.ConstantTimeCompare(argonKey(h, secret), h.key) == 1
}

func argonKey(h argonHash, secret string) []byte {
	return argon2.IDKey([]byte(secret), h.salt, h.time, h.memory, h.threads, uint32(len(h.key)))
}

func (h argonHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads,
		noPadding.EncodeToString(h.salt), noPadding.EncodeToString(h.key))
}

func newArgonHash(secret string) argonHash {
	h := argonHash{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, saltSize)}
	rand.Read(h.salt)
	h.key = argon2.IDKey([]byte(secret), h.salt, h.time, h.memory, h.threads, keySize)
	return h
}

type bcryptHash string

// maxBcrypt is how much of a secret bcrypt looks at, in octets: of a longer one
// it would take the beginning for the whole.
const maxBcrypt = 72

func (h bcryptHash) matches(secret string) bool {
	short := secret[:min(len(secret), maxBcrypt)]
	return bcrypt.CompareHashAndPassword([]byte(h), []byte(short)) == nil && len(secret) <= maxBcrypt
}

// parseHash reads what stands behind "hash =". Parameters that would take the
// machine down are refused.
func parseHash(text string) (hash, error) {
	if strings.HasPrefix(text, "$2") {
		cost, err := bcrypt.Cost([]byte(text))
		if err != nil || len(text) != 60 || cost > 16 {
			return nil, errors.New("hash: not a bcrypt hash of at most 2^16 rounds")
		}
		return bcryptHash(text), nil
	}
	h, ok := parseArgon(text)
	if !ok {
		return nil, errors.New(`hash: neither "$argon2id$v=19$m=19456,t=2,p=1$salt$key" nor "$2b$..."; mtad user add makes one`)
	}
	return h, nil
}

func parseArgon(text string) (h argonHash, ok bool) {
	part := strings.Split(text, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != "v=19" {
		return h, false
	}
	cost := strings.Split(part[3], ",")
	if len(cost) != 3 {
		return h, false
	}
	m, ok1 := number(cost[0], "m=", 8, 1<<18)
	t, ok2 := number(cost[1], "t=", 1, 16)
	p, ok3 := number(cost[2], "p=", 1, 16)
	salt, err1 := noPadding.DecodeString(part[4])
	key, err2 := noPadding.DecodeString(part[5])
	ok = ok1 && ok2 && ok3 && err1 == nil && err2 == nil && len(salt) >= 8 && len(salt) <= 64 && len(key) >= 16 && len(key) <= 64
	return argonHash{uint32(m), uint32(t), uint8(p), salt, key}, ok
}

func number(text, key string, least, most int) (int, bool) {
	digits, ok := strings.CutPrefix(text, key)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= least && n <= most
}

// newScramKeys derives what a server keeps of a secret (RFC 5802 3).
func newScramKeys(user, secret string) (scram.StoredCredentials, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return scramClient(user, secret).GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: scramIterations})
}

// scramClient takes a secret as it is where SASLprep refuses it: it may have
// been set where nobody prepared it (RFC 5802 5.1 asks for SASLprep).
func scramClient(user, secret string) *scram.Client {
	c, err := scram.SHA256.NewClient(user, secret, "")
	if err != nil {
		c, _ = scram.SHA256.NewClientUnprepped(user, secret, "") // never fails
	}
	return c
}

func formatScram(c scram.StoredCredentials) string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", scramPlain, c.Iters, b64([]byte(c.Salt)), b64(c.StoredKey), b64(c.ServerKey))
}

// parseScram reads the form that PostgreSQL writes.
func parseScram(text string) (scram.StoredCredentials, error) {
	part := strings.Split(text, "$")
	if len(part) == 3 && part[0] == scramPlain {
		iterations, salt, _ := strings.Cut(part[1], ":")
		stored, server, _ := strings.Cut(part[2], ":")
		n, ok := number(iterations, "", 4096, 10_000_000) // RFC 7677 4
		s, ok1 := decode(salt)
		k1, ok2 := decode(stored)
		k2, ok3 := decode(server)
		if ok && ok1 && ok2 && ok3 && len(s) >= 8 && len(k1) == keySize && len(k2) == keySize {
			return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: s, Iters: n}, StoredKey: []byte(k1), ServerKey: []byte(k2)}, nil
		}
	}
	return scram.StoredCredentials{}, errors.New(`scram: not "SCRAM-SHA-256$iterations:salt$storedkey:serverkey" with 4096 iterations at least; mtad user add makes one`)
}

// prepare makes the forms of one text that people cannot tell apart the same
// (RFC 4616 2); what cannot be prepared is taken as it is.
func prepare(text string) string {
	for i := range len(text) {
		if text[i] >= 0x80 || text[i] < ' ' {
			if p, err := stringprep.SASLprep.Prepare(text); err == nil && p != "" {
				return p
			}
			return text
		}
	}
	return text
}
