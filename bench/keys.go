package main

import (
	"fmt"
	"os"
	"path/filepath"

	"mtad/internal/certs"
)

// keyFile makes a certificate and its key, "rsa" (2048 bits) or "ecdsa"
// (P-256), in one PEM file of dir that only its owner can read.
func keyFile(dir, kind string) (string, error) {
	cert, key, err := certs.Generate(certs.Request{Hosts: []string{"relay.test"}, Days: 1, RSA: kind == "rsa"})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, kind+".pem")
	return file, os.WriteFile(file, append(key, cert...), 0o600)
}

// serverTLS are options of mtad that offer STARTTLS with that key; no groups
// are the default.
func serverTLS(file, groups string) string {
	text := fmt.Sprintf("tls_advertise_hosts = \"*\"\ntls_certificate = %q\n", file)
	if groups != "" {
		text += fmt.Sprintf("tls_groups = %q\n", groups)
	}
	return text
}

// postfixTLS are the same for Postfix.
func postfixTLS(file string) map[string]string {
	return map[string]string{"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": file}
}
