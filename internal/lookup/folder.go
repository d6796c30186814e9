package lookup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// findEntry looks for a name in a folder. The value found is the name itself:
// since it exists there, it is no longer only what the network said.
func findEntry(dir, key string) (string, bool, error) {
	if strings.ContainsAny(key, "/\x00") {
		return "", false, fmt.Errorf("%q has a slash: dsearch looks for one name in a folder", key)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", false, fileError(dir, err)
	}
	if !info.IsDir() {
		return "", false, fmt.Errorf("%s is not a folder", dir)
	}
	if key == "" || key == "." || key == ".." { // where they lead is not in the folder
		return "", false, nil
	}
	_, err = os.Lstat(filepath.Join(dir, key))
	if errors.Is(err, fs.ErrNotExist) || len(key) > 255 {
		return "", false, nil
	}
	if err != nil {
		return "", false, fileError(filepath.Join(dir, key), err)
	}
	return key, true, nil
}
