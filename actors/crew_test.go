package actors

import (
	"sync"
	"testing"
	"testing/synctest"
)

// A goroutine that has worked is there for the next; none is left after close,
// whether it waits or works then.
func TestCrew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		var c crew
		var ran, both sync.WaitGroup
		both.Add(2)
		ran.Add(2)
		for range 2 { // at the same time: two goroutines
			c.run(func() { both.Done(); both.Wait(); ran.Done() })
		}
		ran.Wait()
		synctest.Wait()
		if len(c.idle) != 2 {
			t.Fatalf("%d wait for work, want 2", len(c.idle))
		}
		hold := make(chan struct{})
		c.run(func() { <-hold })
		if len(c.idle) != 1 {
			t.Errorf("%d wait beside the one at work", len(c.idle))
		}
		c.close()
		close(hold)
		synctest.Wait()
		if len(c.idle) != 0 {
			t.Errorf("%d wait after close", len(c.idle))
		}
		done := make(chan struct{})
		c.run(func() { close(done) }) // a late report still gets its goroutine
		<-done
	})
}

// No more than maxIdle wait.
func TestCrewIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c crew
		hold := make(chan struct{})
		for range maxIdle + 10 {
			c.run(func() { <-hold })
		}
		close(hold)
		synctest.Wait()
		if len(c.idle) != maxIdle {
			t.Errorf("%d wait, want %d", len(c.idle), maxIdle)
		}
		c.close()
	})
}
