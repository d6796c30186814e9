package smtp

import (
	"reflect"
	"strings"
	"testing"
)

func TestExtensions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines string
		want  Extensions
	}{
		{"", Extensions{}},
		{"PIPELINING|8BITMIME|CHUNKING|DSN|STARTTLS|SMTPUTF8|ENHANCEDSTATUSCODES", Extensions{
			Pipelining: true, EightBitMIME: true, Chunking: true, DSN: true, StartTLS: true, SMTPUTF8: true, EnhancedStatusCodes: true}},
		{"pipelining|8BitMime", Extensions{Pipelining: true, EightBitMIME: true}},
		{"SIZE", Extensions{Size: true}},
		{"SIZE 0", Extensions{Size: true}},
		{"SIZE 52428800", Extensions{Size: true, SizeLimit: 52428800}},
		{"SIZE -1", Extensions{Size: true}},
		{"SIZE 99999999999999999999999", Extensions{Size: true}},
		{"SIZE x", Extensions{Size: true}},
		{"AUTH plain LOGIN", Extensions{Auth: []string{"PLAIN", "LOGIN"}}},
		{"AUTH", Extensions{}},
		{"AUTH=PLAIN|XPIPELINING|PIPELINING-NOT", Extensions{}},
		{"AUTH " + strings.Repeat("x", 21), Extensions{}},
	} {
		var got Extensions
		for line := range strings.SplitSeq(c.lines, "|") {
			got.Add([]byte(line))
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", c.lines, got)
		}
	}
}

func TestExtensionsAreBounded(t *testing.T) {
	t.Parallel()
	var e Extensions
	for range 10 {
		e.Add([]byte("AUTH " + strings.Repeat("M ", 1000)))
	}
	if len(e.Auth) != maxMechanisms {
		t.Errorf("%d mechanisms", len(e.Auth))
	}
}
