// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue && (amd64 || arm64 || riscv64 || s390x || ppc64le || loong64)

package salvage

import (
	"context"

	"bctl/cmd/bctl/app"
	"bctl/inspect/volume"
	"bctl/internal/disk/fusefile"
)

// mount serves a volume as a file below dir until it is told to end, which is how it ends well.
func mount(ctx context.Context, v *volume.Volume, dir string, to *app.IO) error {
	return fusefile.Serve(ctx, dir, v, v.Size(), fusefile.Options{
		Ready: func() { to.Note("%s/%s is there; SIGINT, SIGTERM or umount ends it", dir, fusefile.Name) },
		Busy:  func(why error) { to.Note("%s is still in use (%v): waiting until it is not", dir, why) },
	})
}
