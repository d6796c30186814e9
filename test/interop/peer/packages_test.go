package peer

import (
	"slices"
	"testing"
)

func TestPins(t *testing.T) {
	t.Parallel()
	version, libs := pinned("postfix")
	if version == "" || slices.Contains(libs, "postfix") || !slices.Contains(libs, "libssl3") {
		t.Errorf("%q %v", version, libs)
	}
	if version, _ := pinned("libssl3"); version == "" {
		t.Error("libraries have no version")
	}
	if version, _ := pinned("lib"); version != "" {
		t.Errorf("%q is not a package", version)
	}
	if version, day := NPMVersion("Haraka"); version == "" || day == "" {
		t.Error("Haraka has no version or no day")
	}
}
