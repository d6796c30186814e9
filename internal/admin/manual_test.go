package admin

import (
	"bytes"
	"os"
	"testing"
)

// TestMetricsManual: docs/metrics.md is what "go generate ./internal/config" makes
// of the table.
func TestMetricsManual(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	if err := WriteMetricsReference(&want); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../../docs/metrics.md"); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("docs/metrics.md is stale (%v): run go generate ./...", err)
	}
}
