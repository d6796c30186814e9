package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file where a folder is to be is found before the daemon starts.
func TestFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plain":       "",
		"config.toml": "spool_directory = \"plain\"\nlog_file_path = \"plain/deeper/%slog\"\n[[router]]\nname = \"r\"\nhosts = [\"192.0.2.1\"]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Load(filepath.Join(dir, "config.toml"))
	for _, want := range []string{":1: spool_directory: ", ":2: log_file_path: ", "plain is not a folder"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}
