//go:build interop

package peer

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPostfixRunsFromItsPackage(t *testing.T) {
	next, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sink, err := SMTPSink(dir, next, "-M", "100")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Kill()
	postfix, err := StartPostfix(filepath.Join(dir, "postfix"), PostfixConfig{NextHop: next})
	if err != nil {
		t.Fatal(err)
	}
	if err := SMTPSource(postfix.Addr, "-s", "5", "-m", "100", "-l", "10240", "-f", "a@x.test", "-t", "b@y.test"); err != nil {
		t.Error(err)
	}
	select {
	case <-sink.Done():
	case <-time.After(time.Minute):
		t.Errorf("smtp-sink has not got 100 messages: %s", sink.Output())
	}
	if u, err := postfix.Usage(); err != nil || u.CPU == 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
	postfix.Stop(10 * time.Second) // exit status 1 is its way to end on SIGTERM
	if left, _ := os.ReadDir(filepath.Join(dir, "postfix/spool/active")); len(left) > 0 {
		t.Errorf("%d messages left in the queue", len(left))
	}
}
