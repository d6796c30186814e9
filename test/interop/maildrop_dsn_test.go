//go:build interop

package interop

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mtad/internal/dsn"
	"mtad/test/interop/peer"
)

// TestReformimeReadsReports: maildrop's reformime finds the recipients in bounces and
// warnings, as filters for mailing lists do, and the message that comes back.
func TestReformimeReadsReports(t *testing.T) {
	t.Parallel()
	maildrop, err := peer.Package("maildrop")
	if err != nil {
		t.Fatal(err)
	}
	library, err := peer.Package("libcourier-unicode4")
	if err != nil {
		t.Fatal(err)
	}
	libs, _ := filepath.Glob(filepath.Join(library, "usr/lib/*-linux-gnu*"))
	reformime := func(report []byte, args ...string) string {
		cmd := exec.Command(filepath.Join(maildrop, "usr/bin/reformime"), args...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libs, ":"))
		cmd.Stdin = bytes.NewReader(bytes.ReplaceAll(report, []byte("\r\n"), []byte("\n"))) // as in a mailbox
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("reformime %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	for kind, types := range map[dsn.Kind]string{
		dsn.Failed:  "multipart/report text/plain message/delivery-status message/rfc822 text/plain",
		dsn.Delayed: "multipart/report text/plain message/delivery-status text/rfc822-headers",
	} {
		report := written(kind)
		var found []string
		for line := range strings.Lines(reformime(report, "-i")) {
			if typ, ok := strings.CutPrefix(line, "content-type: "); ok {
				found = append(found, strings.TrimSpace(typ))
			}
		}
		if got := strings.Join(found, " "); got != types {
			t.Errorf("%s: reformime -i finds %s, not %s", kind, got, types)
		}
		for option, want := range map[string]string{"-d": "KIND e@z.example\nKIND f@w.example", "-D": "KIND e+x@z.example\nKIND f@w.example"} {
			if got := reformime(report, option); got != strings.ReplaceAll(want, "KIND", string(kind)) {
				t.Errorf("%s: reformime %s says %q, not %q", kind, option, got, want)
			}
		}
		if returned := reformime(report, "-e", "-s", "1.3"); !strings.HasPrefix(returned, "Subject: Hello") {
			t.Errorf("%s: what comes back is %q", kind, returned)
		}
	}
}
