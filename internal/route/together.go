package route

import "sync"

// atOnce bounds the look-ups of one kind for one message that run side by side.
const atOnce = 16

// together calls f for 0 to n-1, several at a time, and returns when all have
// ended. A panic of one of them is the caller's.
func together(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var (
		all    sync.WaitGroup
		turns  = make(chan struct{}, atOnce)
		once   sync.Once
		reason any
	)
	for i := range n {
		turns <- struct{}{}
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					once.Do(func() { reason = p })
				}
				<-turns
			}()
			f(i)
		})
	}
	all.Wait()
	if reason != nil {
		panic(reason)
	}
}
