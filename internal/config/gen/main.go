// Command gen writes docs/reference.md and config.toml. It is run by
// "go generate" in internal/config.
package main

import (
	"fmt"
	"os"

	"mtad/internal/config/manual"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
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
	if err := os.WriteFile("../../docs/reference.md", manual.Reference(tables), 0o644); err != nil {
		return err
	}
	return os.WriteFile("../../config.toml", manual.Example(tables), 0o644)
}
