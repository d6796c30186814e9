package mainlog

import (
	"sync/atomic"
	"time"
)

// clockFace is the time of day as text, made once a second.
type clockFace struct{ last atomic.Pointer[face] }

type face struct {
	second     int64
	exim, json string
}

// at returns the texts for now, in local time.
func (c *clockFace) at(now time.Time) *face {
	second := now.Unix()
	if f := c.last.Load(); f != nil && f.second == second {
		return f
	}
	f := &face{
		second: second,
		exim:   now.Format("2006-01-02 15:04:05"),
		json:   now.Format(time.RFC3339),
	}
	c.last.Store(f)
	return f
}
