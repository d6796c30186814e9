package spool

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"unique"
)

// index knows every live message. What a commit does to it is what reading the
// commit's records after a crash does: both go through apply.
type index struct {
	shards [256]shard

	segMu sync.Mutex
	segs  map[uint32]*segmentUse

	hostMu sync.Mutex
	hosts  map[string][]byte

	nextID atomic.Uint64 // the last recNextID seen
	maxID  atomic.Uint64 // one over the highest counter of a message seen
	count  atomic.Int64
	bytes  atomic.Int64 // of the live messages
	files  atomic.Int64 // those of them in files of their own

	emptied atomic.Bool // a segment lost its last message since somebody looked
}

type shard struct {
	mu sync.Mutex
	m  map[uint64]*entry // by the counter of the id

	// Where operators have sent recipients: few have such, and only these pay for it.
	routes map[uint64]rcptRoutes
}

// rcptRoutes is where recipients go that do not go where the routers say.
type rcptRoutes map[int]unique.Handle[string]

// entry is 64 bytes, and the packed envelope.
type entry struct {
	env    string
	states []rcptState // nil while nothing happened
	place
	secs  uint32 // with frac and the key: the id
	bits  uint16 // frac, and flags above it
	rcpts uint16
}

const (
	fracBits  = 1<<12 - 1
	bitFrozen = 1 << 12
	bitFile   = 1 << 13

	maxRecipients = 1<<16 - 1
)

// segmentUse is what the retirement of a segment is decided by.
type segmentUse struct {
	size  int64
	live  int   // messages whose bytes it holds
	bytes int64 // theirs
}

var noText = unique.Make("")

func newIndex() *index {
	x := &index{segs: map[uint32]*segmentUse{}, hosts: map[string][]byte{}}
	for i := range x.shards {
		x.shards[i].m = map[uint64]*entry{}
	}
	return x
}

func (e *entry) frozen() bool { return e.bits&bitFrozen != 0 }

func (e *entry) setFrozen(on bool) {
	e.bits &^= bitFrozen
	if on {
		e.bits |= bitFrozen
	}
}

func (e *entry) file() (f *fileBody) {
	if e.bits&bitFile != 0 {
		_, _, f, _ = peek(e.env)
	}
	return f
}

func (e *entry) id(counter uint64) ID { return makeID(e.secs, counter, e.bits&fracBits) }

// final reports whether every recipient is accounted for.
func (e *entry) final() bool {
	for i := range e.states {
		if !e.states[i].state.Final() {
			return false
		}
	}
	return len(e.states) > 0
}

func (x *index) shard(counter uint64) *shard { return &x.shards[counter%uint64(len(x.shards))] }

// with calls f under the lock of the message's shard; false if it is not live.
func (x *index) with(id ID, f func(e *entry)) bool {
	secs, counter, frac, ok := id.split()
	if !ok {
		return false
	}
	sh := x.shard(counter)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.m[counter]
	if e == nil || e.secs != secs || e.bits&fracBits != frac {
		return false
	}
	f(e)
	return true
}

func (x *index) hasCounter(counter uint64) bool {
	sh := x.shard(counter)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.m[counter] != nil
}

// departed is a message that has left: what it held is to be freed.
type departed struct {
	id   ID
	file *fileBody
}

// apply makes the index say what records say. seg and bodyOff are where the
// bodies are that belong to them. An error means that the records make no
// sense, though their CRC was right.
func (x *index) apply(records []byte, seg uint32, bodyOff int64) (gone []departed, err error) {
	for len(records) > 0 {
		typ, value, rest, err := nextRecord(records)
		if err != nil {
			return gone, err
		}
		r, err := decodeRecord(typ, value)
		if err != nil {
			return gone, err
		}
		records = rest
		if typ == recNew || typ == recMoved {
			r.place.seg, r.place.off = seg, uint32(bodyOff)
			bodyOff += int64(r.place.n)
		}
		if d, left := x.applyOne(&r); left {
			gone = append(gone, d)
		}
	}
	return gone, nil
}

func (x *index) applyOne(r *record) (d departed, left bool) {
	switch r.typ {
	case recNew, recMessage:
		x.insert(r)
	case recOutcome:
		x.with(r.id, func(e *entry) {
			if r.rcpt < int(e.rcpts) {
				e.set(r.rcpt, r.state)
			}
			left = e.final()
		})
	case recWarned:
		x.with(r.id, func(e *entry) { e.setWarned(r.warned) })
	case recReroute:
		x.reroute(r)
	case recFreeze:
		x.with(r.id, func(e *entry) { e.setFrozen(r.frozen) })
	case recMoved:
		x.with(r.id, func(e *entry) {
			x.use(e.place, -1)
			e.place = r.place
			x.use(e.place, 1)
		})
	case recGone:
		left = true
	case recHost:
		x.learn(r.host)
	case recNextID:
		x.nextID.Store(r.n)
	}
	if left {
		d, left = x.remove(r.id)
	}
	return d, left
}

func (e *entry) set(rcpt int, st rcptState) {
	e.makeStates()
	st.warned = e.states[rcpt].warned
	e.states[rcpt] = st
}

func (e *entry) setWarned(n uint8) {
	e.makeStates()
	e.states[0].warned = n
}

func (e *entry) warned() uint8 {
	if e.states == nil {
		return 0
	}
	return e.states[0].warned
}

func (e *entry) makeStates() {
	if e.states != nil {
		return
	}
	e.states = make([]rcptState, e.rcpts)
	for i := range e.states {
		e.states[i].text = noText
	}
}

// insert adds a message, or replaces what is known of it by a whole new truth.
func (x *index) insert(r *record) {
	secs, counter, frac, _ := r.id.split()
	e := &entry{env: string(r.env), states: r.states, place: r.place, secs: secs, bits: frac & fracBits}
	rcpts, frozen, file, err := peek(e.env)
	if err != nil || (r.states != nil && len(r.states) != rcpts) {
		return // cannot be: its CRC was right
	}
	e.rcpts = uint16(rcpts)
	if file != nil {
		e.bits |= bitFile
	}
	e.setFrozen(frozen && r.typ == recNew || r.frozen)
	x.remove(r.id)
	x.tally(e.place, file, 1)
	if counter >= x.maxID.Load() {
		x.maxID.Store(counter + 1) // only the leader and the start scan come here
	}
	sh := x.shard(counter)
	sh.mu.Lock()
	sh.m[counter] = e
	sh.mu.Unlock()
}

func (x *index) remove(id ID) (d departed, ok bool) {
	var e *entry
	if !x.with(id, func(found *entry) {
		e = found
		_, counter, _, _ := id.split()
		delete(x.shard(counter).m, counter)
		delete(x.shard(counter).routes, counter)
	}) {
		return d, false
	}
	d = departed{id: id, file: e.file()}
	x.tally(e.place, d.file, -1)
	return d, true
}

// reroute notes where a recipient goes.
func (x *index) reroute(r *record) {
	_, counter, _, _ := r.id.split()
	x.with(r.id, func(e *entry) {
		sh := x.shard(counter)
		switch have := sh.routes[counter]; {
		case r.rcpt >= int(e.rcpts):
		case r.to == "":
			if delete(have, r.rcpt); len(have) == 0 {
				delete(sh.routes, counter)
			}
		case have != nil:
			have[r.rcpt] = unique.Make(r.to)
		default:
			if sh.routes == nil {
				sh.routes = map[uint64]rcptRoutes{}
			}
			sh.routes[counter] = rcptRoutes{r.rcpt: unique.Make(r.to)}
		}
	})
}

// tally counts a message in (1) or out (-1).
func (x *index) tally(p place, f *fileBody, delta int64) {
	x.use(p, int(delta))
	x.count.Add(delta)
	size := int64(p.n)
	if f != nil {
		size += f.n
		x.files.Add(delta * f.n)
	}
	x.bytes.Add(delta * size)
}

func (x *index) learn(h HostFact) {
	x.hostMu.Lock()
	defer x.hostMu.Unlock()
	if len(h.Value) == 0 {
		delete(x.hosts, h.Key)
		return
	}
	x.hosts[h.Key] = bytes.Clone(h.Value)
}

// use counts a message in (1) or out (-1) of a segment.
func (x *index) use(p place, delta int) {
	x.segMu.Lock()
	defer x.segMu.Unlock()
	u := x.segs[p.seg]
	if u == nil {
		u = &segmentUse{}
		x.segs[p.seg] = u
	}
	u.live += delta
	u.bytes += int64(delta) * int64(p.n)
	if u.live == 0 {
		x.emptied.Store(true)
	}
}

// diskBytes is the size of all segments and body files.
func (x *index) diskBytes() int64 {
	x.segMu.Lock()
	defer x.segMu.Unlock()
	n := x.files.Load()
	for _, u := range x.segs {
		n += u.size
	}
	return n
}

// grow notes the size of a segment.
func (x *index) grow(n uint32, size int64) {
	x.segMu.Lock()
	defer x.segMu.Unlock()
	if x.segs[n] == nil {
		x.segs[n] = &segmentUse{}
	}
	x.segs[n].size = size
}

// ids gives all live messages in order of arrival, one shard locked at a time.
func (x *index) ids() []ID {
	all := make([]ID, 0, x.count.Load()+64)
	for i := range x.shards {
		sh := &x.shards[i]
		sh.mu.Lock()
		for counter, e := range sh.m {
			all = append(all, e.id(counter))
		}
		sh.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return all
}

// envelope makes an Envelope of what an entry packs.
func (e *entry) envelope(id ID) (*Envelope, error) {
	env, _, err := unpackEnvelope(e.env)
	if err != nil {
		return nil, err
	}
	env.ID, env.Frozen, env.Warned = id, e.frozen(), int(e.warned())
	for i := range e.states {
		r, st := &env.Recipients[i], &e.states[i]
		r.State, r.Attempts, r.LastError = st.state, int(st.attempts), st.text.Value()
		r.FirstFail, r.LastTry = moment(st.first), moment(st.last)
	}
	return env, nil
}

// routesOf is to be called under the lock of the message's shard.
func (x *index) routesOf(id ID) rcptRoutes {
	_, counter, _, _ := id.split()
	return x.shard(counter).routes[counter]
}

func (routes rcptRoutes) put(env *Envelope) {
	for i, to := range routes {
		env.Recipients[i].Route = to.Value()
	}
}

// Envelope returns what is known of a live message, from memory; ErrUnknown if
// there is none of this id.
func (s *Spool) Envelope(id ID) (env *Envelope, err error) {
	known := s.index.with(id, func(e *entry) {
		if env, err = e.envelope(id); err == nil {
			s.index.routesOf(id).put(env)
		}
	})
	if !known {
		return nil, ErrUnknown
	}
	return env, err
}

// Range calls f for the messages that are live now, in order of arrival, until
// it says no. Commits go on meanwhile: a message that has left since is passed
// over, and the state of one is that of its turn.
func (s *Spool) Range(f func(*Envelope) bool) {
	for _, id := range s.index.ids() {
		env, err := s.Envelope(id)
		if err == nil && !f(env) {
			return
		}
	}
}

// HostFacts calls f for each fact until it says no.
func (s *Spool) HostFacts(f func(HostFact) bool) {
	s.index.hostMu.Lock()
	facts := make([]HostFact, 0, len(s.index.hosts))
	for k, v := range s.index.hosts {
		facts = append(facts, HostFact{Key: k, Value: v})
	}
	s.index.hostMu.Unlock()
	for _, h := range facts {
		if !f(h) {
			return
		}
	}
}
