//go:build interop

package tls

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mtad/test/interop/peer"
)

// packages fetches Debian packages and returns their unpacked trees.
func packages(t *testing.T, names ...string) []string {
	t.Helper()
	trees := make([]string, len(names))
	for i, name := range names {
		tree, err := peer.Package(name)
		if err != nil {
			t.Fatal(err)
		}
		trees[i] = tree
	}
	return trees
}

// swaks --tls gives up, with its own exit status, where TLS does not come about.
func TestSwaksSends(t *testing.T) {
	trees := packages(t, "swaks", "libnet-ssleay-perl")
	modules, _ := filepath.Glob(filepath.Join(trees[1], "usr/lib/*/perl5/*"))
	if len(modules) != 1 {
		t.Fatalf("libnet-ssleay-perl has %q", modules)
	}
	mtad, dir := relay(t)
	for protocol, version := range map[string]string{"tlsv1_2": "TLSv1.2", "tlsv1_3": "TLSv1.3"} {
		cmd := exec.CommandContext(t.Context(), "perl", filepath.Join(trees[0], "usr/bin/swaks"), "--tls", "--tls-protocol", protocol,
			"--server", mtad.Addr, "--ehlo", protocol+".test", "--from", "a@x.example", "--to", "b@y.example", "--timeout", "20")
		cmd.Env = append(os.Environ(), "PERL5LIB="+modules[0])
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "=== TLS started with cipher "+version+":") {
			t.Fatalf("%s: %v\n%s", version, err, out)
		}
		mainlog(t, dir, "<= a@x.example H=("+protocol+".test)", "P=esmtps X="+version+":")
	}
}
