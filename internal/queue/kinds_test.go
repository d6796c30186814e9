package queue

import (
	"fmt"
	"testing"
)

// A host that answers with every code there is leaves numbers for other kinds.
func TestKindsOfAllCodes(t *testing.T) {
	t.Parallel()
	c := &Core{kinds: []string{""}}
	for code := 400; code < 500; code++ {
		for _, kind := range []string{"rcpt_%d", "rcpt_%d quota", "data_%d", "mail_%d"} {
			c.kindNumber(fmt.Sprintf(kind, code))
		}
	}
	for kind, want := range map[string]string{"connect": "connect", "rcpt_400": "rcpt_400", "data_499": "data_4xx", "rcpt_499 quota": "rcpt_4xx quota"} {
		if got := c.kinds[c.kindNumber(kind)]; got != want {
			t.Errorf("%s is kept as %q, want %q", kind, got, want)
		}
	}
}
