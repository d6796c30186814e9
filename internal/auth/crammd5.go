package auth

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"mtad/internal/expand"
)

// beginCRAM is CRAM-MD5 (RFC 2195): a challenge that never comes twice, then
// "user SP digest". It needs the secret itself on the server's side.
func beginCRAM(d *Dialogue, _ context.Context, _ string, has bool) (Step, responder) {
	if has {
		return malformed("CRAM-MD5 takes no initial response"), nil
	}
	challenge := "<" + rand.Text() + "." + strconv.FormatInt(d.server.now().Unix(), 10) + "@" + d.server.Hostname + ">"
	return Step{Outcome: Challenge, challenge: challenge}, func(_ context.Context, data string) (Step, responder) {
		return d.cram(challenge, data), nil
	}
}

func (d *Dialogue) cram(challenge, data string) Step {
	user, digest, ok := cutLast(data, ' ') // a name may have blanks
	if !ok || !usable(user, maxName) || len(digest) != 2*md5.Size || strings.ContainsRune(user, 0) {
		return malformed("not user, blank and digest")
	}
	return d.judge(user, []string{user}, func() (bool, error) {
		secret, err := d.auth.secret(d.session, user)
		if err != nil {
			return false, err
		}
		known := secret != "" // of an unknown user a digest is made all the same
		right := hmac.Equal([]byte(cramDigest(secret, challenge)), []byte(digest))
		return right && known, nil
	})
}

// secret is "" for somebody unknown.
func (a *Authenticator) secret(of Session, user string) (string, error) {
	if a.Users != nil {
		return a.Users.Plain(user)
	}
	if a.Secret == nil {
		return "", nil
	}
	secret, err := a.Secret(of.Env, []string{user})
	if errors.Is(err, expand.ErrForced) {
		return "", nil
	}
	if err != nil { // its text may quote what was expanded
		return "", errors.New("server_secret of " + a.Name + " cannot be expanded")
	}
	return secret, nil
}

func cramDigest(secret, challenge string) string {
	mac := hmac.New(md5.New, []byte(secret))
	mac.Write([]byte(challenge))
	return hex.EncodeToString(mac.Sum(nil))
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
