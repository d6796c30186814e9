package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version is what Received: headers, the banner and mtad_build_info say.
const version = "1.0"

// runVersion prints the version, and the commit where the build knows it.
func runVersion(args []string, stdout, stderr io.Writer) int {
	fs := flags("version", "", stderr)
	if status, done := parse(fs, args, stdout); done {
		return status
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(stderr, "mtad version: unexpected argument %q\n", fs.Arg(0))
		return exitUsage
	}
	fmt.Fprintf(stdout, "mtad %s %s %s/%s%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, revision())
	return exitOK
}

func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " " + s.Value[:12]
		}
	}
	return ""
}
