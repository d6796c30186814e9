package actors

// inspect runs f on the core. Whoever asked waits until what it decides is on stable
// storage: that is what keeps a million acts from piling up.
func (q *queueActor) inspect(m *inspect) {
	actions := m.f(q.core)
	if len(actions) == 0 {
		close(m.done)
		return
	}
	q.apply(actions, nil)
	q.h.recorder.after(func() { close(m.done) })
}
