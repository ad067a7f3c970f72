// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Version is bctl's.
const Version = "0.1.0"

// writeVersion writes one line: "bctl 0.1.0 (commit 0123456789ab, go1.26.0, linux/amd64)". A commit with changes that
// are in none has a + behind it; a build that knows of no commit says unknown.
func writeVersion(w io.Writer, name string) error {
	_, err := fmt.Fprintf(w, "%s %s (commit %s, %s, %s/%s)\n", name, Version, commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// commit is what this program was built from.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return commitOf(info.Settings)
}

func commitOf(settings []debug.BuildSetting) string {
	revision, changed := "unknown", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision" && s.Value != "":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if revision == "unknown" {
		return revision
	}
	return revision + changed
}
