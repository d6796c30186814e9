package main

// heapFloor is memory that the daemon holds and never touches, so that it costs
// address space alone. The collector starts when the heap has doubled: a daemon
// that holds few messages has a heap of some megabytes, and to clear away what
// handshakes leave behind would take 5 to 15 % of its CPU (docs/performance.md).
func heapFloor() []byte { return make([]byte, 16<<20) }
