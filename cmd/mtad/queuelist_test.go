package main

import (
	"strings"
	"testing"
	"time"

	"mtad/internal/admin"
)

// Where a message came from: a client, or this very machine.
func TestWhereFrom(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 2, 15, 12, 0, time.Local)
	for want, m := range map[string]admin.QueuedMessage{
		"          received 2026-11-24 02:15:12 from 192.0.2.1 (a.test) with esmtp\n":                {Client: "192.0.2.1", Helo: "a.test", Protocol: "esmtp"},
		"          written here 2026-11-24 02:15:12, as a report to the sender of another message\n": {Protocol: "local"},
	} {
		var out strings.Builder
		m.Received = at
		printMessage(&out, &m, false, true)
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
