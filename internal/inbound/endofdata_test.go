package inbound

import (
	"math/rand/v2"
	"strings"
	"testing"
)

const alphabet = "\r\n.\x00 x"

// nth returns the n-th of the 335,922 strings of length 1 to 7 over the alphabet.
func nth(n int) string {
	length, count := 1, len(alphabet)
	for n >= count {
		n -= count
		length++
		count *= len(alphabet)
	}
	b := make([]byte, length)
	for i := range b {
		b[i] = alphabet[n%len(alphabet)]
		n /= len(alphabet)
	}
	return string(b)
}

// judge says in the plainest way what DATA is: where it ends, and whether it may stand.
func judge(stream string) (body, rest string, good bool) {
	end := strings.Index("\r\n"+stream, "\r\n.\r\n")
	body, rest = stream[:end], stream[end+3:]
	clean := strings.ReplaceAll(body, "\r\n", "")
	return body, rest, !strings.ContainsAny(clean, "\r\n\x00")
}

// deliver sends one DATA in pieces, and says what came of it.
func deliver(t *testing.T, r *rig, stream string, cuts ...int) {
	t.Helper()
	body, rest, good := judge(stream)
	w := r.open()
	defer w.end()
	w.send([]byte(group))
	pieces, last := [][]byte{}, 0
	for _, cut := range cuts {
		pieces = append(pieces, []byte(stream[last:cut]))
		last = cut
	}
	before := len(r.arrived)
	got := w.send(append(pieces, []byte(stream[last:]))...)
	first, behind, _ := strings.Cut(got, "\r\n")
	if good != strings.HasPrefix(first, "250 OK id=") || !good && !strings.HasPrefix(first, "554 ") {
		t.Fatalf("B2: %q cut at %v: answered %q", stream, cuts, got)
	}
	if n := len(r.arrived) - before; n > 1 || good != (n == 1) {
		t.Fatalf("B2: %q cut at %v: %d messages", stream, cuts, n)
	}
	if strings.Contains(behind, "250 OK id=") || strings.Contains(behind, "354") || rest == "" && behind != "" {
		t.Fatalf("B2: %q cut at %v: went on with %q", stream, cuts, behind)
	}
	if !good {
		return
	}
	_, texts := r.stored()
	if kept := bodyOf(t, texts[len(texts)-1]); strings.TrimPrefix(kept, "\r\n") != strings.TrimPrefix(body, "\r\n") {
		t.Fatalf("B2: %q cut at %v: kept %q", stream, cuts, kept)
	}
	r.arrived = nil
}

// SM-22, SM-01..SM-12, SM-17, SM-18: only CRLF.CRLF ends DATA, at every place
// and in whatever pieces; with a bare CR, LF or NUL it is no message at all.
func TestEndOfDataEnumeration(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	random := rand.New(rand.NewPCG(2, 20000))
	for i := range 20000 {
		s := nth(random.IntN(335922))
		switch i % 3 {
		case 0:
			deliver(t, r, "a: b\r\n\r\n"+s+"\r\n.\r\n")
		case 1:
			deliver(t, r, s+"x\r\n.\r\n")
		case 2:
			deliver(t, r, "a: b\r\n"+s+"MAIL FROM:<evil@x.example>\r\n.\r\n")
		}
	}
}

func TestEndOfDataSplitPoints(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	random := rand.New(rand.NewPCG(2, 1000))
	for range 300 {
		s := "a: b\r\n\r\n" + nth(random.IntN(335922)) + "\r\n.\r\n"
		for cut := 1; cut < len(s); cut++ {
			deliver(t, r, s, cut)
		}
		one := make([]int, len(s)-1)
		for i := range one {
			one[i] = i + 1
		}
		deliver(t, r, s, one...)
	}
}
