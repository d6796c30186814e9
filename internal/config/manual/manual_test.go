package manual_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mtad/internal/config"
	"mtad/internal/config/manual"
)

func tables(t *testing.T) []manual.Table {
	source, err := os.ReadFile("../config.go")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := manual.Tables(source)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func TestManualIsFresh(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]byte{
		"../../../docs/reference.md": manual.Reference(tables(t)),
		"../../../config.toml":       manual.Example(tables(t)),
	} {
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v): run go generate ./internal/config", file, err)
		}
	}
}

func TestEveryOptionIsDescribed(t *testing.T) {
	t.Parallel()
	for _, table := range tables(t) {
		for _, o := range table.Options {
			if o.Text == "" || o.Type == "" || o.Default == "" && o.Unset == "" {
				t.Errorf("%s.%s: text %q, type %q, default %q, unset %q", table.Name, o.Name, o.Text, o.Type, o.Default, o.Unset)
			}
			if table.Name == "" && o.First == "" && o.Default == "" && o.Example == "" {
				t.Errorf("%s: config.toml has nothing to show for it", o.Name)
			}
		}
	}
}

// The example must do as it stands, and each of its comments when its # is
// taken away.
func TestExampleLoads(t *testing.T) {
	t.Parallel()
	example := string(manual.Example(tables(t)))
	cfg, err := load(t, example)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("it draws warnings: %v", cfg.Warnings)
	}
	if cfg.Listen[0].Address != "127.0.0.1:2525" || len(cfg.Routers) != 1 || cfg.Admin.Address != "127.0.0.1:9925" {
		t.Errorf("not what the README says: %+v", cfg)
	}
	open := regexp.MustCompile(`(?m)^#(\[|[a-z_]+ = )`).ReplaceAllString(example, "$1")
	open = regexp.MustCompile(`(?m)^(user|group|server_users) = .*\n`).ReplaceAllString(open, "") // not on every machine
	if strings.Count(open, "\n#") > 10 {
		t.Errorf("comments were left:\n%s", open)
	}
	if _, err := load(t, open); err != nil {
		t.Error(err)
	}
}

func load(t *testing.T, text string) (*config.Config, error) {
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(file)
}
