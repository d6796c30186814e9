package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func expandWith(args ...string) (status int, stdout, stderr string) {
	var out, diag bytes.Buffer
	status = runExpand(args, &out, &diag)
	return status, out.String(), diag.String()
}

func TestExpandCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "mtad.toml")
	text := `primary_hostname = "relay.example.net"
[domainlist]
ours = ["*.example"]
[[router]]
name = "all"
driver = "domainlist"
domains = "*"
hosts = ["192.0.2.1"]
transport = "smtp"
[transport.smtp]
`
	for name, content := range map[string]string{file: text, filepath.Join(dir, "keys"): "a: one\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		out    string
	}{
		{"several", []string{"$primary_hostname ESMTP", "${uc:a}"}, 0, "relay.example.net ESMTP\nA\n"},
		{"variables", []string{"-set", "sender_address=u@x.example", "-set", "$tls_sni=s", "-set", "1=one", "-set", "value=v", "$sender_address_local_part|$sender_address_domain|$tls_sni|$1|$value"}, 0, "u|x.example|s|one|v\n"},
		{"a value with =", []string{"-set", "tls_peerdn=/CN=a", "${tls_peerdn}"}, 0, "/CN=a\n"},
		{"forced", []string{"${if def:tls_sni{x}fail}", "b"}, 1, "Failed: forced\nb\n"},
		{"faulty", []string{"${lc:", "$nosuch", "b"}, 1, "Failed: column 6: a } is missing at the end\nFailed: column 2: there is no variable \"nosuch\"\nb\n"},
		{"its folder", []string{"${lookup{a}lsearch{keys}}"}, 0, "one\n"},
		{"its lists", []string{"${if match_domain{a.example}{+ours}{y}{n}}"}, 0, "y\n"},
		{"from the network", []string{"-set", "sender_helo_name=keys", "-set", "1=keys", "${readfile{$sender_helo_name}}", "${expand:$1}"}, 1,
			"Failed: readfile: \"keys\" is made of what came from the network and cannot name a file; look it up in a list or with dsearch\n" +
				"Failed: \"keys\" is made of what came from the network and is not expanded again\n"},
	} {
		status, out, diag := expandWith(append([]string{"-config", file}, c.args...)...)
		if status != c.status || out != c.out {
			t.Errorf("%s: status %d\n got %s\nwant %s\n%s", c.name, status, out, c.out, diag)
		}
	}
}

func TestExpandUsage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		status int
		diag   string
	}{
		"no string":      {nil, exitUsage, "no string"},
		"no such name":   {[]string{"-set", "nosuch=1", "x"}, exitUsage, "no variable"},
		"no value":       {[]string{"-set", "host", "x"}, exitUsage, "name=value"},
		"no such file":   {[]string{"-config", filepath.Join(t.TempDir(), "x.toml"), "x"}, exitConfig, "no such file"},
		"without a file": {[]string{"x"}, exitOK, ""},
	} {
		status, _, diag := expandWith(c.args...)
		if status != c.status || !strings.Contains(diag, c.diag) {
			t.Errorf("%s: status %d, %s", name, status, diag)
		}
	}
}
