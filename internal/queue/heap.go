package queue

// heap is a binary heap whose members know their place in it, so that any of them
// can be taken out.
type heap[T member[T]] []T

type member[T any] interface {
	sooner(T) bool
	setPos(int32)
}

func (h *heap[T]) push(x T) {
	*h = append(*h, x)
	h.up(len(*h) - 1)
}

func (h *heap[T]) remove(i int) {
	old := *h
	n := len(old) - 1
	old[i].setPos(-1)
	last := old[n]
	var none T
	old[n] = none
	*h = old[:n]
	if i < n {
		old[i] = last
		h.fix(i)
	}
}

// fix restores the order after member i has changed.
func (h heap[T]) fix(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

func (h heap[T]) up(i int) {
	x := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !x.sooner(h[parent]) {
			break
		}
		h[i] = h[parent]
		h[i].setPos(int32(i))
		i = parent
	}
	h[i] = x
	x.setPos(int32(i))
}

// down reports whether x moved.
func (h heap[T]) down(i int) bool {
	x, start := h[i], i
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if r := child + 1; r < len(h) && h[r].sooner(h[child]) {
			child = r
		}
		if !h[child].sooner(x) {
			break
		}
		h[i] = h[child]
		h[i].setPos(int32(i))
		i = child
	}
	h[i] = x
	x.setPos(int32(i))
	return i > start
}

// alarm is a time at which something of the core wants to be looked at. Lanes,
// hosts and deliveries have one each.
type alarm struct {
	at    int64
	owner interface{ alarmed(*Core) }
	pos   int32
	set   bool
}

func (a *alarm) sooner(other *alarm) bool { return a.at < other.at }
func (a *alarm) setPos(i int32)           { a.pos = i }

// wakeAt sets or moves an alarm; 0 takes it out.
func (c *Core) wakeAt(a *alarm, at int64) {
	switch {
	case at == 0 && a.set:
		c.alarms.remove(int(a.pos))
		a.set = false
	case at == 0:
	case a.set:
		a.at = at
		c.alarms.fix(int(a.pos))
	default:
		a.at, a.set = at, true
		c.alarms.push(a)
	}
}

// ringAlarms rings those whose time has come. One that sets itself to the
// present again waits for the next Tick.
func (c *Core) ringAlarms() {
	for n := len(c.alarms); n > 0 && len(c.alarms) > 0 && c.alarms[0].at <= c.ns; n-- {
		a := c.alarms[0]
		c.wakeAt(a, 0)
		a.owner.alarmed(c)
	}
}
