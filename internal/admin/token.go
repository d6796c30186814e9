package admin

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// tokenBytes is how many random bytes a token is made of: nobody guesses it.
const tokenBytes = 32

// EnsureToken returns the token in a file, and makes the file, mode 0600,
// where it is missing.
func EnsureToken(path string) (string, error) {
	token, err := readToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	token = newToken()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", fmt.Errorf("cannot make the token file of [admin]: %w", err)
	}
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path) // half a token is none
		return "", fmt.Errorf("cannot write the token file of [admin]: %w", err)
	}
	return token, nil
}

func newToken() string {
	b := make([]byte, tokenBytes)
	rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}

// minToken is the least length that a token of the operator's own may have.
const minToken = 16

// readToken reads a token file that only its owner can read.
func readToken(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("cannot read the token file of [admin]: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read the token file of [admin]: %w", err)
	case !st.Mode().IsRegular():
		return "", fmt.Errorf("token file %s is not a regular file", path)
	case st.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("token file %s can be read by others (mode %04o): chmod 600 %s, and make a new token by removing it", path, st.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", fmt.Errorf("cannot read the token file of [admin]: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < minToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("token file %s does not hold one word of at least %d characters: remove it and mtad makes a new one", path, minToken)
	}
	return token, nil
}
