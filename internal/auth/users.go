package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/xdg-go/scram"

	"mtad/internal/lookup"
)

// Users is a file of users (doc.go has its form), read anew when it changes. It
// is safe for concurrent use. While the file cannot be read or has a fault, its
// last good reading stands; before there was one, nobody is known and nobody
// refused: every question has an error.
type Users struct {
	file   *lookup.Watched[*users]
	good   atomic.Pointer[users] // the last good reading
	report func(fault error)
	told   atomic.Pointer[string] // what report was told last; nil: nothing, or that all is well
}

// OpenUsers reads the file. The error names file and place; the Users can be
// used all the same, and tries again. report is told of each fault of a later
// reading once, and nil when the file is good again; it may be nil.
func OpenUsers(path string, report func(fault error)) (*Users, error) {
	u := &Users{report: report}
	var err error
	u.file, err = lookup.Watch(path, func(lines []string) (*users, error) {
		if err := checkMode(path); err != nil {
			return nil, err
		}
		all, err := parseUsers(strings.Join(lines, "\n"))
		if err == nil {
			u.good.Store(all)
		}
		return all, err
	})
	if err != nil {
		text := err.Error() // the caller has it
		u.told.Store(&text)
	}
	return u, err
}

// now is what the file says, or said when it was good last.
func (u *Users) now() (*users, error) {
	all, err := u.file.Get()
	u.tell(err)
	if good := u.good.Load(); err != nil && good != nil {
		return good, nil
	}
	return all, err
}

func (u *Users) tell(fault error) {
	told := u.told.Load()
	switch {
	case u.report == nil || fault == nil && told == nil:
	case fault == nil:
		if u.told.CompareAndSwap(told, nil) {
			u.report(nil)
		}
	default:
		text := fault.Error()
		if (told == nil || *told != text) && u.told.CompareAndSwap(told, &text) {
			u.report(fault)
		}
	}
}

// checkMode: the secrets are the owner's; the group may read them.
func checkMode(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return fmt.Errorf("mode %04o lets others at the secrets: chmod 0600 it (0640 is the widest)", mode)
	}
	return nil
}

// users is what one reading of the file said, and the secrets verified since:
// they are forgotten together.
type users struct {
	byName map[string]user
	names  []string // sorted
	hashed []hash   // all of the file, for those that are not in it; never empty
	key    []byte   // of this reading alone

	mu         sync.Mutex
	remembered *generations[[sha256.Size]byte, time.Time] // until when
}

type user struct {
	hash  hash // nil: not for PLAIN and LOGIN
	scram scram.StoredCredentials
	plain string
}

// entry is a user as it is written.
type entry struct {
	Hash  string `toml:"hash,omitempty"`
	Scram string `toml:"scram,omitempty"`
	Plain string `toml:"plain,omitempty"`
}

const (
	rememberFor   = 5 * time.Minute
	maxRemembered = 1 << 14
)

// decodeUsers reads the form of the file. What the library says of a fault may
// quote a secret; the line is enough.
func decodeUsers(text string) (map[string]entry, error) {
	var file struct {
		User map[string]entry `toml:"user"`
	}
	md, err := toml.Decode(text, &file)
	var fault toml.ParseError
	switch {
	case errors.As(err, &fault):
		return nil, fmt.Errorf("line %d is not TOML of the form [user.\"name\"] with hash, scram, plain as strings", fault.Position.Line)
	case err != nil:
		return nil, errors.New("not of the form [user.\"name\"] with hash, scram, plain as strings")
	case len(md.Undecoded()) > 0:
		return nil, errors.New("there is a key that is none of hash, scram, plain in a table [user.\"name\"]")
	}
	return file.User, nil
}

func parseUsers(text string) (*users, error) {
	entries, err := decodeUsers(text)
	if err != nil {
		return nil, err
	}
	u := &users{byName: make(map[string]user, len(entries)), key: make([]byte, sha256.Size)}
	rand.Read(u.key)
	u.remembered = newGenerations[[sha256.Size]byte, time.Time](maxRemembered)
	for name, e := range entries {
		one, err := e.parse()
		if err == nil && (!usable(name, maxName) || strings.ContainsFunc(name, isControl)) {
			err = errors.New("the name is empty, longer than 255 octets, not UTF-8 or has a control character")
		}
		if _, twice := u.byName[prepare(name)]; twice && err == nil {
			err = errors.New("the name stands there twice, in forms that look alike")
		}
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", name, err)
		}
		u.byName[prepare(name)] = one
		u.names = append(u.names, prepare(name))
	}
	sort.Strings(u.names)
	for _, name := range u.names {
		if h := u.byName[name].hash; h != nil {
			u.hashed = append(u.hashed, h)
		}
	}
	if len(u.hashed) == 0 {
		u.hashed = []hash{argonHash{argonMemory, argonTime, argonThreads, u.key[:saltSize], u.key}}
	}
	return u, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (e entry) parse() (u user, err error) {
	if e == (entry{}) {
		return u, errors.New("has no hash, scram or plain")
	}
	u.plain = e.Plain
	if e.Hash != "" {
		if u.hash, err = parseHash(e.Hash); err != nil {
			return u, err
		}
	}
	if e.Scram != "" {
		u.scram, err = parseScram(e.Scram)
	}
	return u, err
}

// Verify says whether secret is that of user. A secret that was right is
// remembered for some minutes. Whether a user is unknown or the secret wrong
// shows neither in the answer nor in the time it takes. The error says that it
// cannot be said now.
func (u *Users) Verify(ctx context.Context, c *Costs, now time.Time, name, secret string) (bool, error) {
	all, err := u.now()
	if err != nil {
		return false, err
	}
	name, secret = prepare(name), prepare(secret)
	proof := all.proof(name, secret)
	if all.isRemembered(proof, now) {
		return true, nil
	}
	h := all.byName[name].hash
	known := h != nil
	if !known {
		h = all.stranger(name)
	}
	var right bool
	if err := c.Do(ctx, func() { right = h.matches(secret) }); err != nil {
		return false, err
	}
	if right = right && known; right {
		all.remember(proof, now)
	}
	return right, nil
}

// stranger is the hash that is computed for somebody who has none: always the
// same for one name, and of one of the kinds in the file.
func (u *users) stranger(name string) hash {
	return u.hashed[binary.BigEndian.Uint64(u.mac("stranger", name, ""))%uint64(len(u.hashed))]
}

func (u *users) mac(what, a, b string) []byte {
	m := hmac.New(sha256.New, u.key)
	m.Write([]byte(what + "\x00" + a + "\x00" + b)) // no name has a NUL
	return m.Sum(nil)
}

func (u *users) proof(name, secret string) [sha256.Size]byte {
	return [sha256.Size]byte(u.mac("proof", name, secret))
}

func (u *users) isRemembered(proof [sha256.Size]byte, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	until, ok := u.remembered.get(proof)
	return ok && now.Before(until)
}

func (u *users) remember(proof [sha256.Size]byte, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.remembered.put(proof, now.Add(rememberFor))
}

// Plain returns the secret of a user who has it in the file, "" otherwise.
func (u *Users) Plain(name string) (string, error) {
	all, err := u.now()
	if err != nil {
		return "", err
	}
	return all.byName[prepare(name)].plain, nil
}

// Has says whether there is such a user.
func (u *Users) Has(name string) (bool, error) {
	all, err := u.now()
	if err != nil {
		return false, err
	}
	_, ok := all.byName[prepare(name)]
	return ok, nil
}

// scram returns the keys of a user. Of somebody who has none, keys that nobody
// can know, with a salt that stays: asking does not tell who there is.
func (u *Users) scram(name string) (scram.StoredCredentials, bool, error) {
	all, err := u.now()
	if err != nil {
		return scram.StoredCredentials{}, false, err
	}
	name = prepare(name)
	if c := all.byName[name].scram; c.Iters > 0 {
		return c, true, nil
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(all.mac("salt", name, "")[:saltSize]), Iters: scramIterations},
		StoredKey:  all.mac("stored", name, ""),
		ServerKey:  all.mac("server", name, ""),
	}, false, nil
}
