// SPDX-License-Identifier: GPL-2.0-only

// Command bctl reads, formats, shows and checks bcache devices without the kernel. Here is the table of its commands
// and names, and nothing else: package app is the frame, and the families lie beside it.
package main

import (
	"os"

	"bctl/cmd/bctl/app"
)

func main() {
	os.Exit(app.Main(bctlTool(), os.Args, os.Stdout, os.Stderr))
}
