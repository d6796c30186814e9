package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mtad/internal/lookup"
)

// Trust is a collection of certificates: peers must be in it, or chain to a CA
// certificate that is. Immutable.
type Trust struct {
	Warnings []string // files and certificates that were left out

	roots   *x509.CertPool // only those made to sign others: nobody's own certificate makes him an authority
	members map[[sha256.Size]byte]struct{}
	latest  time.Time // when the last of them expires
}

// Has tells whether the certificate itself is in the collection.
func (t *Trust) Has(c *x509.Certificate) bool {
	_, ok := t.members[sha256.Sum256(c.Raw)]
	return ok
}

// Len is the number of certificates.
func (t *Trust) Len() int { return len(t.members) }

// LoadTrust reads a PEM file with any number of certificates, or a folder with
// files named <hash>.0 to <hash>.9 by `openssl x509 -hash` or -subject_hash_old.
// What cannot be used is left out with a warning; nothing left is an error.
func LoadTrust(path string) (*Trust, error) {
	t := &Trust{roots: x509.NewCertPool(), members: make(map[[sha256.Size]byte]struct{})}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	if info.IsDir() {
		err = t.readFolder(path)
	} else {
		err = t.readFile(path)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// trustVersion changes when the file, the folder or a file in it does.
func trustVersion(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fileError(path, err)
	}
	v := appendStamp(nil, info)
	if !info.IsDir() {
		return string(v), nil
	}
	files, err := hashFiles(path)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		v = append(v, f...)
		if info, err := os.Stat(f); err == nil {
			v = appendStamp(v, info)
		}
	}
	return string(v), nil
}

func (t *Trust) readFile(path string) error {
	data, err := lookup.ReadFile(path, maxFile)
	if err != nil {
		return err
	}
	certs := t.parse(path, data)
	if len(certs) == 0 && len(t.Warnings) > 0 {
		return errors.New(t.Warnings[0])
	}
	if len(certs) == 0 {
		return fmt.Errorf("%s has no certificate: %s", path, contents(pemBlocks(data), data))
	}
	for _, c := range certs {
		t.add(c)
	}
	return nil
}

func (t *Trust) readFolder(dir string) error {
	files, err := hashFiles(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := lookup.ReadFile(f, maxFile)
		if err != nil {
			t.warn("%v", err)
			continue
		}
		hash, _, _ := strings.Cut(filepath.Base(f), ".")
		for _, c := range t.parse(f, data) {
			if named(c, hash) {
				t.add(c)
			} else {
				t.warn("%s is not named by the hash of the certificate in it, and is left out: openssl rehash %s", f, dir)
			}
		}
	}
	if t.Len() == 0 {
		return fmt.Errorf("the folder %s has no certificate under a name as 1f2e3d4c.0: openssl rehash %[1]s makes the names", dir)
	}
	return nil
}

func (t *Trust) parse(file string, data []byte) (certs []*x509.Certificate) {
	for _, b := range pemBlocks(data) {
		switch {
		case b.Type == "CERTIFICATE":
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				t.warn("%s: a certificate is faulty and left out: %v", file, err)
				continue
			}
			certs = append(certs, c)
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			t.warn("%s holds a private key: a collection of those to trust needs none, and it is better kept elsewhere", file)
		}
	}
	return certs
}

func (t *Trust) add(c *x509.Certificate) {
	t.members[sha256.Sum256(c.Raw)] = struct{}{}
	if c.BasicConstraintsValid && c.IsCA {
		t.roots.AddCert(c)
	}
	if c.NotAfter.After(t.latest) {
		t.latest = c.NotAfter
	}
}

func (t *Trust) warn(format string, args ...any) {
	t.Warnings = append(t.Warnings, fmt.Sprintf(format, args...))
}

// CheckTime is the error of a collection in which all have expired.
func (t *Trust) CheckTime(now time.Time) error {
	if now.After(t.latest) {
		return fmt.Errorf("all its certificates have expired, the last on %s", t.latest.UTC().Format(time.DateTime))
	}
	return nil
}

func named(c *x509.Certificate, hash string) bool {
	if SubjectHashOld(c.RawSubject) == hash {
		return true
	}
	h, err := SubjectHash(c.RawSubject)
	return err == nil && h == hash
}

// hashFiles lists the files of a folder that have the form <hash>.<digit>.
func hashFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fileError(dir, err)
	}
	var files []string
	for _, e := range entries {
		if hash, n, _ := strings.Cut(e.Name(), "."); len(hash) == 8 && strings.Trim(hash, "0123456789abcdef") == "" &&
			len(n) == 1 && n[0] >= '0' && n[0] <= '9' {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}
