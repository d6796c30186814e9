// Command gen writes docs/reference.md, docs/metrics.md and config.toml. It is run by
// "go generate" in internal/config.
package main

import (
	"bytes"
	"fmt"
	"os"

	"mtad/internal/admin"
	"mtad/internal/config/manual"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func writeMetrics(name string) error {
	var b bytes.Buffer
	if err := admin.WriteMetricsReference(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

func run() error {
	source, err := os.ReadFile("config.go")
	if err != nil {
		return err
	}
	tables, err := manual.Tables(source)
	if err != nil {
		return err
	}
	if err := writeMetrics("../../docs/metrics.md"); err != nil {
		return err
	}
	if err := os.WriteFile("../../docs/reference.md", manual.Reference(tables), 0o644); err != nil {
		return err
	}
	return os.WriteFile("../../config.toml", manual.Example(tables), 0o644)
}
