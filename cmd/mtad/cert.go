package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mtad/internal/certs"
)

// runCert is `mtad cert`: a key and a self-signed certificate, and the lines
// that put them to use.
func runCert(args []string, stdout, stderr io.Writer) int {
	var r certs.Request
	f := flags("cert", "[options]    makes cert.pem and key.pem", stderr)
	f.Func("host", "`name` or address that the certificate is for; may be given again (default: the name of this machine)",
		each(func(name string) error { r.Hosts = append(r.Hosts, name); return checkHost(name) }))
	out := f.String("out", ".", "the `folder` for the two files; it is made if it is missing")
	f.BoolVar(&r.RSA, "rsa", false, "RSA of 2048 bits instead of ECDSA P-256")
	f.IntVar(&r.Days, "days", 365, "how many days it is valid")
	force := f.Bool("force", false, "overwrite what is there")
	if status, done := parse(f, args, stdout); done {
		return status
	}
	switch {
	case f.NArg() > 0:
		fmt.Fprintf(stderr, "mtad cert: unexpected argument %q\n", f.Arg(0))
		return exitUsage
	case r.Days < 1 || r.Days > 36500:
		fmt.Fprintf(stderr, "mtad cert: -days is 1 to 36500, not %d\n", r.Days)
		return exitUsage
	}
	cert, key := filepath.Join(*out, "cert.pem"), filepath.Join(*out, "key.pem")
	if err := makeCert(r, cert, key, *force); err != nil {
		fmt.Fprintf(stderr, "mtad cert: %v\n", err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "mtad cert: valid until %s\n", time.Now().AddDate(0, 0, r.Days).UTC().Format(time.DateOnly))
	fmt.Fprintf(stdout, "tls_advertise_hosts = \"*\"\ntls_certificate     = %q\ntls_privatekey      = %q\n", cert, key)
	return exitOK
}

func checkHost(name string) error {
	if name == "" {
		return errors.New("it is empty")
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("%q is no host name; one in other letters is written in its xn-- form", name)
		}
	}
	return nil
}

// makeCert writes the key before the certificate: with one of them missing,
// nothing works by half.
func makeCert(r certs.Request, certFile, keyFile string, force bool) error {
	if len(r.Hosts) == 0 {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("cannot learn the name of this machine: %w; -host gives one", err)
		}
		r.Hosts = []string{name}
	}
	for _, file := range []string{certFile, keyFile} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) && !force {
			return fmt.Errorf("%s is there already; -force overwrites it", file)
		}
	}
	cert, key, err := certs.Generate(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(keyFile), 0o755); err != nil {
		return fmt.Errorf("cannot make the folder for the files: %w", err)
	}
	if err := certs.WriteAtomic(keyFile, key); err != nil {
		return fmt.Errorf("cannot write %s: %w", keyFile, err)
	}
	if err := certs.WriteAtomic(certFile, cert); err != nil {
		return fmt.Errorf("cannot write %s: %w", certFile, err)
	}
	return nil
}
