package actors

import (
	"time"

	"mtad/spool"
)

// deaths is the circuit breaker of the queue actor: who was in hand when it
// died, and how often it did lately.
type deaths struct {
	last  spool.ID
	times []time.Time
}

const (
	deathWindow  = time.Minute
	longestPause = 5 * time.Second
)

// note records a death at now with message id in hand (zero: none). It returns
// the message to freeze (zero: none) and how long to wait before the next life.
func (d *deaths) note(id spool.ID, now time.Time) (suspect spool.ID, pause time.Duration) {
	if !id.IsZero() && id == d.last {
		suspect = id
	}
	d.last = id
	recent := d.times[:0]
	for _, t := range d.times {
		if now.Sub(t) < deathWindow {
			recent = append(recent, t)
		}
	}
	d.times = append(recent, now)
	if n := len(d.times); n > 2 {
		pause = min(100*time.Millisecond<<min(n-3, 10), longestPause)
	}
	return suspect, pause
}
