package spool

import (
	"bytes"
	"reflect"
	"testing"
)

// sampleRecords is one of each kind.
func sampleRecords() []byte {
	id := makeID(1700000000, 12345, 67)
	e := fullEnvelope()
	b := appendNew(nil, id, 10, 11, e, &fileBody{name: id, n: 1 << 20, crc: 7})
	b = appendOutcome(b, &Outcome{ID: id, Rcpt: 1, State: Failed, Attempts: 3, Error: "550 no"})
	b = appendFreeze(b, Freeze{id, true})
	b = appendWarned(b, id, 1)
	b = appendReroute(b, id, 1, "router=x")
	b = appendHost(b, HostFact{"host", []byte("value")})
	b = appendNextID(b, 99)
	b = appendMoved(b, id, 10, 11)
	x := newIndex()
	x.apply(b, 1, 200)
	x.with(id, func(e *entry) { b = appendMessage(b, id, e) })
	b = appendCount(b, recEnd, 1)
	return appendGone(b, id)
}

// FuzzRecords: any bytes are records or an error, and never harm the index.
func FuzzRecords(f *testing.F) {
	f.Add(sampleRecords())
	f.Add([]byte{recNew, 0, 0, 0, 0})
	f.Add([]byte{250, 1, 0, 0, 0, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		x := newIndex()
		x.apply(b, 1, 200)
		n := int64(0)
		for _, id := range x.ids() {
			n++
			if !x.with(id, func(e *entry) {
				env, err := e.envelope(id)
				if err != nil || len(env.Recipients) == 0 {
					t.Errorf("%s went in and does not come out: %v", id, err)
				}
				again := appendMessage(nil, id, e)
				_, value, rest, err := nextRecord(again)
				r, derr := decodeRecord(recMessage, value)
				if err != nil || derr != nil || len(rest) != 0 || string(r.env) != e.env || len(r.states) != len(e.states) {
					t.Errorf("%s does not survive a checkpoint: %v %v", id, err, derr)
				}
			}) {
				t.Errorf("%s cannot be found", id)
			}
		}
		if n != x.count.Load() {
			t.Errorf("%d messages counted as %d", n, x.count.Load())
		}
	})
}

// FuzzPackedEnvelope: what can be unpacked packs to the same meaning.
func FuzzPackedEnvelope(f *testing.F) {
	f.Add(string(appendEnvelope(nil, fullEnvelope(), nil)))
	f.Add(string(appendEnvelope(nil, &Envelope{Recipients: []Recipient{{}}}, &fileBody{name: makeID(1, 2, 3), n: 5})))
	f.Fuzz(func(t *testing.T, packed string) {
		e, file, err := unpackEnvelope(packed)
		_, _, peeked, perr := peek(packed)
		if err != nil {
			return
		}
		if perr == nil && !reflect.DeepEqual(file, peeked) {
			t.Fatalf("file %v peeked as %v", file, peeked)
		}
		again, file2, err := unpackEnvelope(string(appendEnvelope(nil, e, file)))
		if err != nil || !reflect.DeepEqual(again, e) || !reflect.DeepEqual(file, file2) {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}

// FuzzScanner: whatever a log file holds, a frame that is found is inside it
// and the scan goes forward to an end.
func FuzzScanner(f *testing.F) {
	g := segment{nonce: 42, size: 0}
	p := append(newPiece(), sampleRecords()...)
	sealPiece(p, 10)
	bufs, h := g.frame(0, [][]byte{p, p}, [][]byte{make([]byte, 20)})
	one := bytes.Join(bufs, nil)
	g.size = h.end()
	bufs, _ = g.frame(frameCopy, [][]byte{p}, [][]byte{make([]byte, 10)})
	f.Add(append(one, bytes.Join(bufs, nil)...))
	f.Fuzz(func(t *testing.T, log []byte) {
		s := scanner{f: bytes.NewReader(log), size: int64(len(log)), nonce: 42}
		for off := int64(0); off < s.size; {
			fr, ok, err := s.frame(off)
			if err != nil {
				t.Fatal(err)
			}
			next := fr.end()
			if !ok {
				if next, err = s.resync(off + 1); err != nil {
					t.Fatal(err)
				}
				if next < 0 {
					s.salvage(off, s.size)
					return
				}
				s.salvage(off, next)
			} else {
				s.verify(off)
			}
			if next <= off || next > s.size {
				t.Fatalf("from %d to %d of %d", off, next, s.size)
			}
			off = next
		}
	})
}

func TestParseID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		secs    uint32
		counter uint64
		frac    uint16
	}{{0, 0, 0}, {1700000000, 61, 62}, {1<<32 - 1, counters - 1, fractions - 1}} {
		id, err := ParseID(makeID(c.secs, c.counter, c.frac).String())
		secs, counter, frac, ok := id.split()
		if err != nil || !ok || secs != c.secs || counter != c.counter || frac != c.frac {
			t.Errorf("%v became %d %d %d %v %v", c, secs, counter, frac, ok, err)
		}
	}
	if a, b := makeID(5, 10, 0), makeID(6, 9, 0); a.String() >= b.String() {
		t.Error("ids do not sort by time")
	}
	for _, s := range []string{"", "1xVcOC-000000-Di\x00", "../../etc/passwd", "1xVcOC+000000-Di", "1xVcOC-0000/0-Di", "zzzzzz-000000-00"} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("%q is taken for %s", s, id)
		}
	}
}

// The counter is never given out twice, also not when it comes round while the
// message of its last time is still there.
func TestCounterComesRound(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	old := commitNew(t, s, "x", "a@b")
	_, counter, _, _ := old.split()
	s.ids.next.Store(counters + counter)
	id := s.NextID()
	if _, c, _, _ := id.split(); c == counter {
		t.Fatalf("%s was given out beside %s", id, old)
	}
}

// A waiting message may cost this much memory (a million of them: 300 MB or so).
func TestMemoryOfAMessage(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	before := heap()
	const n = 20000
	for range n / 200 {
		var in, out Batch
		for range 200 {
			d := s.NewDraft()
			benchEnvelope(d.Envelope)
			in.New = append(in.New, d)
		}
		if err := s.Commit(&in); err != nil {
			t.Fatal(err)
		}
		for _, d := range in.New {
			s.Forget(d.Envelope.ID)
			out.Outcomes = append(out.Outcomes, Outcome{ID: d.Envelope.ID, Attempts: 1, Error: "connection refused"})
		}
		if err := s.Commit(&out); err != nil {
			t.Fatal(err)
		}
	}
	per := (heap() - before) / n
	t.Logf("%d bytes a message", per)
	if per > 360 {
		t.Errorf("%d bytes a message", per)
	}
}
