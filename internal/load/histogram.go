package load

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets of 1/32 of their size, so that
// quantiles are within 3 % whatever the range. Safe for concurrent use.
type histogram struct {
	count   atomic.Int64
	max     atomic.Int64
	buckets [64 * 32]atomic.Int64
}

func bucketOf(v uint64) int {
	if v < 32 {
		return int(v)
	}
	e := bits.Len64(v) - 6
	return (e+1)*32 + int(v>>uint(e)) - 32
}

// bucketTop is the largest value that falls in bucket i.
func bucketTop(i int) uint64 {
	if i < 32 {
		return uint64(i)
	}
	e := i/32 - 1
	return (uint64(i%32)+33)<<uint(e) - 1
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.count.Add(1)
	h.buckets[bucketOf(uint64(d))].Add(1)
	for {
		old := h.max.Load()
		if int64(d) <= old || h.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// quantile returns the value that a share q of all does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	want := int64(q * float64(h.count.Load()))
	var seen int64
	for i := range h.buckets {
		if seen += h.buckets[i].Load(); seen > want {
			return min(time.Duration(bucketTop(i)), time.Duration(h.max.Load()))
		}
	}
	return time.Duration(h.max.Load())
}

// Latency is what a histogram came to.
type Latency struct {
	Count              int64
	P50, P90, P99, Max time.Duration
}

func (h *histogram) latency() Latency {
	return Latency{
		Count: h.count.Load(),
		P50:   h.quantile(0.50),
		P90:   h.quantile(0.90),
		P99:   h.quantile(0.99),
		Max:   time.Duration(h.max.Load()),
	}
}

func (l Latency) String() string {
	return fmt.Sprintf("p50 %s  p90 %s  p99 %s  max %s", short(l.P50), short(l.P90), short(l.P99), short(l.Max))
}

// short writes a duration with three significant digits.
func short(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return fmt.Sprintf("%.3gµs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3gms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.4gs", d.Seconds())
}
