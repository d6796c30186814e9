package queue

import "slices"

// line is a first-in-first-out order by arrival. Items mostly come in that order
// and stand in queue; those that come back later stand in late, a heap. Entries of items
// that have left are passed over when their turn comes, so leaving is free.
type line struct {
	queue []*item // from head on
	head  int
	late  []*item // heap by arrival
	ready int     // items that stand here
}

// stands reports whether an entry is still good.
func stands(it *item, l *lane) bool { return it.state == ready && it.lane == l }

func (q *line) push(it *item, l *lane) {
	q.ready++
	if n := len(q.queue); n > q.head && it.before(q.queue[n-1]) {
		q.pushLate(it)
	} else {
		q.queue = append(q.queue, it)
	}
	if len(q.queue)-q.head+len(q.late) > 2*q.ready+64 {
		q.rebuild(l)
	}
}

// peek returns the first item, nil when there is none.
func (q *line) peek(l *lane) *item {
	for {
		it, late := q.first()
		if it == nil || stands(it, l) {
			return it
		}
		if late {
			q.popLate()
		} else {
			q.queue[q.head] = nil
			q.head++
			q.trim()
		}
	}
}

func (q *line) first() (it *item, late bool) {
	if q.head < len(q.queue) {
		it = q.queue[q.head]
	}
	if len(q.late) > 0 && (it == nil || q.late[0].before(it)) {
		return q.late[0], true
	}
	return it, false
}

// len and at go over all entries, good or not, in no particular order.
func (q *line) len() int { return len(q.queue) - q.head + len(q.late) }

func (q *line) at(i int) *item {
	if n := len(q.queue) - q.head; i >= n {
		return q.late[i-n]
	}
	return q.queue[q.head+i]
}

// trim gives back the room of those that have left.
func (q *line) trim() {
	switch n := len(q.queue); {
	case q.head == n && cap(q.queue) > 64:
		q.queue, q.head = nil, 0
	case q.head == n:
		q.queue, q.head = q.queue[:0], 0
	case q.head > 64 && q.head > n/2:
		n = copy(q.queue, q.queue[q.head:])
		clear(q.queue[n:])
		q.queue, q.head = q.queue[:n], 0
	}
}

// rebuild keeps the good entries only, each once.
func (q *line) rebuild(l *lane) {
	all := append(q.queue[q.head:], q.late...)
	all = slices.DeleteFunc(all, func(it *item) bool { return !stands(it, l) })
	slices.SortFunc(all, func(a, b *item) int {
		switch {
		case a.before(b):
			return -1
		case b.before(a):
			return 1
		}
		return 0
	})
	q.queue, q.head, q.late = slices.Clone(slices.Compact(all)), 0, nil
}

func (q *line) pushLate(it *item) {
	h := append(q.late, it)
	i := len(h) - 1
	for i > 0 && it.before(h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = it
	q.late = h
}

func (q *line) popLate() {
	h := q.late
	n := len(h) - 1
	x := h[n]
	h[n] = nil
	h = h[:n]
	q.late = h
	if n == 0 {
		q.late = nil
		return
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(x) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = x
}

// arrivals has all messages in order of arrival. Those that are gone stay until
// they are a quarter of it.
type arrivals struct {
	list []*message
	head int // all before it are gone
	dead int
	last uint64
}

func (a *arrivals) add(m *message) {
	a.last++
	m.seq = a.last
	a.list = append(a.list, m)
}

func (a *arrivals) gone() {
	a.dead++
	if a.dead > 64+(len(a.list)-a.dead)/4 {
		a.list = slices.DeleteFunc(a.list, func(m *message) bool { return m.open == 0 })
		a.dead, a.head = 0, 0
	}
}

// from returns the messages from seq on; some may be gone.
func (a *arrivals) from(seq uint64) []*message {
	i, _ := slices.BinarySearchFunc(a.list, seq, func(m *message, seq uint64) int {
		switch {
		case m.seq < seq:
			return -1
		case m.seq > seq:
			return 1
		}
		return 0
	})
	return a.list[i:]
}

// oldest returns the first that is not gone, nil when there is none.
func (a *arrivals) oldest() *message {
	for ; a.head < len(a.list); a.head++ {
		if a.list[a.head].open > 0 {
			return a.list[a.head]
		}
	}
	return nil
}
