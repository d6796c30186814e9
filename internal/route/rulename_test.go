package route

import (
	"testing"
	"time"

	"mtad/internal/config"
)

// TestWhich: the rule that decides is named as it is written in the configuration.
func TestWhich(t *testing.T) {
	t.Parallel()
	r := NewRetry([]config.Retry{{
		Domains: config.Default().Retry[0].Domains, Errors: []string{"connect", "timeout"},
		Rule: []config.RetryStep{{Kind: 'F', Cutoff: 90 * time.Second, Interval: 30 * time.Second}},
	}})
	for kind, want := range map[string]string{"connect": "* [connect timeout] F,90s,30s", "rcpt_4xx": "* F,2h,15m; G,16h,1h,1.5; F,4d,6h", "": "* F,2h,15m; G,16h,1h,1.5; F,4d,6h"} {
		if got := r.Which("x.example", "a@x.example", kind); got != want {
			t.Errorf("%q: %q, want %q", kind, got, want)
		}
	}
}
