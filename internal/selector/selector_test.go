package selector

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mtad/spool"
)

var (
	testNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	testID  = spool.ID([]byte("1vNDqi-0000Gx-2A"))
	google  = Place{Router: "lookuphost", Hops: []Hop{{"aspmx.l.google.com", netip.MustParseAddr("192.0.2.9"), "google"}, {"alt1.l.google.com", netip.MustParseAddr("2001:db8::9"), "google"}}}
)

func testEnvelope() *spool.Envelope {
	return &spool.Envelope{
		ID: testID, Received: testNow.Add(-3 * time.Hour), Sender: "Bounces@News.example", Size: 2048,
		ClientAddr: netip.MustParseAddrPort("192.0.2.77:4000"), ClientName: "client.example", AuthID: "alice",
		Recipients: []spool.Recipient{
			{Address: "one@hosted.example", State: spool.Pending, Attempts: 2, LastError: `H=mx.y.example [198.51.100.7]: Connection timed out`},
			{Address: "two@other.test", State: spool.Pending},
			{Address: "done@hosted.example", State: spool.Delivered},
		},
	}
}

// TestSelectors holds selectors against one message: recipient 0 was deferred by
// mx.y.example and is not routed, recipient 1 waits for two hosts of Google's.
func TestSelectors(t *testing.T) {
	t.Parallel()
	where := func(rcpt int) Place {
		if rcpt == 1 {
			return google
		}
		return Place{}
	}
	for text, want := range map[string]string{
		"all": "[0 1]", "1vNDqi-0000Gx-2A": "[0 1]", "id=1vNDqi-0000Gx-2A,1vNDqi-0000Gy-2A": "[0 1]", "id=1vNDqi*": "[0 1]", "id!=1vNDqi-0000Gx-2A": "[]",
		"domain=hosted.example": "[0]", "domain=HOSTED.example": "[0]", "domain=*.example": "[0]", "domain=*.example,*.test": "[0 1]", "domain!=*.example": "[1]", "!domain=*.example": "[1]",
		"!domain!=*.example": "[0]", "domain=example": "[]", "domain~host": "[0]", "recipient=two@*": "[1]", "recipient=done@hosted.example": "[]",
		"sender=bounces@news.example": "[0 1]", "sender=<>": "[]", "sender~NEWS": "[0 1]", "sender!~news": "[]",
		"age>2h": "[0 1]", "age>3h": "[]", "age>=3h": "[0 1]", "age<1d": "[0 1]", "size>=2K": "[0 1]", "size>2K": "[]", "size=2048": "[0 1]", "attempts>0": "[0]", "attempts=0": "[1]",
		"state=deferred": "[0 1]", "state=frozen,deferred": "[0 1]", "state!=deferred": "[]",
		`error~"timed out"`: "[0]", `error~"TIMED OUT"`: "[0]", `error~"timed  out"`: "[]", `error=""`: "[1]", `error="H=mx*"`: "[0]",
		"host=mx.y.example": "[0]", "host=198.51.100.7": "[0]", "host=198.51.100.0/24": "[0]", "host=*.google.com": "[1]", "host=2001:db8::/32": "[1]", "host=alt1.*": "[1]",
		"site=*.google.com": "[1]", "site=google": "[1]", "site=Goo*": "[1]", "site=goog": "[]", "site=alt1.*": "[]", "router=lookuphost": "[1]", "client=192.0.2.0/24": "[0 1]", "client=client.example": "[0 1]", "client=192.0.2.78": "[]", "user=alice": "[0 1]",
		`domain=*.example age>2h state=deferred error~"timed out"`: "[0]", "domain=*.example attempts=0": "[]", "all domain=other.test": "[1]",
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := []int{}
		if s.Early(Glance{ID: testID, Received: testNow.Add(-3 * time.Hour), State: "deferred"}, testNow) {
			got = append(got, s.Recipients(testEnvelope(), where, testNow)...)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
}

func TestFaultySelectors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "nothing is selected", "  ": "nothing is selected", "domian=x": `did you mean "domain"?`, "zzz=x": "there are id, state", "example.com": "neither a message id nor a term",
		"age>2": "is no time", "age~2h": "use = != < <=", "size>x": "is no size", "attempts>many": "is no number", "domain>x": "use = != ~ !~",
		`error~"x`: "closing quote", `error~"x"y`: "behind the closing quote", "error~": "text to find is missing", "state=defered": "is no state",
		"domain=" + strings.Repeat("x", 2000): "1024 bytes", strings.Repeat("all ", 300_000): "bytes at most", strings.Repeat("size>1 ", 101): "100 terms", "domain=" + strings.Repeat("x,", 10_000): "10000 values",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v does not say %q", text, err, want)
		}
	}
}

// TestWords: what a shell leaves of quotes is understood.
func TestWords(t *testing.T) {
	t.Parallel()
	for want, words := range map[string][]string{
		`domain=a.example age>2h`:                {"domain=a.example", "age>2h"},
		`domain=a.example  age>2h`:               {"domain=a.example  age>2h"},
		`error~"timed out" state=deferred`:       {"error~timed out", "state=deferred"},
		`error~"timed out"`:                      {`error~"timed out"`},
		`error~"say \"no\" to it"`:               {`error~say "no" to it`},
		`1vNDqi-0000Gx-2A 1vNDqi-0000Gy-2A`:      {"1vNDqi-0000Gx-2A", "1vNDqi-0000Gy-2A"},
		`error~"all is lost" domain=a,b size>1K`: {"error~all is lost", "domain=a,b", "size>1K"},
	} {
		if s, err := ParseWords(words); err != nil || s.String() != want {
			t.Errorf("%q: %v %v, want %s", words, s, err, want)
		}
	}
}

// TestWhatIsKnownOfASelector: ids bound the search, and what acts on recipients knows
// whether all are meant.
func TestWhatIsKnownOfASelector(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text          string
		ids           int
		whole, places bool
	}{
		{"all", 0, true, false}, {"1vNDqi-0000Gx-2A 1vNDqi-0000Gx-2A 1vNDqi-0000Gy-2A", 2, true, false}, {"id=1vNDqi-0000Gx-2A", 1, true, false},
		{"id=1vNDqi*", 0, true, false}, {"id!=1vNDqi-0000Gx-2A", 0, true, false}, {"1vNDqi-0000Gx-2A domain=x", 1, false, false},
		{"sender=x age>1h", 0, true, false}, {"host=x", 0, false, true}, {"error~x", 0, false, false},
	} {
		s, err := Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.IDs()) != test.ids || s.Whole() != test.whole || s.NeedsPlaces() != test.places {
			t.Errorf("%s: %d ids, whole %v, places %v", test.text, len(s.IDs()), s.Whole(), s.NeedsPlaces())
		}
	}
}

// TestPatternIsNotSlow: a pattern of many stars takes no exponential time.
func TestPatternIsNotSlow(t *testing.T) {
	t.Parallel()
	p := NewPattern(strings.Repeat("*a", 400)+"b", false)
	start := time.Now()
	if p.Match(strings.Repeat("a", 1000)) || time.Since(start) > time.Second {
		t.Errorf("after %v", time.Since(start))
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`domain=*.example age>2h state=deferred error~"timed out"`, `!host=192.0.2.0/24,"a b" size<=1K`, "1vNDqi-0000Gx-2A all", `error="\"\\"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil {
			t.Fatalf("%q is not what was read: %v", s.String(), err)
		}
		env := testEnvelope()
		where := func(int) Place { return google }
		a, b := s.Recipients(env, where, testNow), again.Recipients(env, where, testNow)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%v, then %v", a, b)
		}
	})
}

// FuzzTerm: whatever a value is, a term made of it is one term, and finds it.
func FuzzTerm(f *testing.F) {
	f.Add("timed out")
	f.Add(`a"b,c\ =>`)
	f.Fuzz(func(t *testing.T, v string) {
		if len(v) > maxValue || leadingOp(v) != "" || strings.TrimSpace(v) != v {
			return
		}
		s, err := Parse(Term("error", v))
		if err != nil || len(s.terms) != 1 || len(s.terms[0].any) != 1 || !s.terms[0].any[0].is(v) {
			t.Errorf("%q: %v", v, err)
		}
	})
}

func BenchmarkRecipients(b *testing.B) {
	s, err := Parse(`domain=*.example age>2h state=deferred error~"timed out"`)
	if err != nil {
		b.Fatal(err)
	}
	env := testEnvelope()
	b.ReportAllocs()
	for b.Loop() {
		s.Recipients(env, nil, testNow)
	}
}
