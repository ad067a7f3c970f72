// SPDX-License-Identifier: GPL-2.0-only

//go:build rescue || !(amd64 || arm64 || riscv64 || s390x || ppc64le || loong64)

package salvage

import (
	"context"
	"errors"

	"bctl/cmd/bctl/app"
	"bctl/inspect/volume"
)

// mount is not there: a rescue system has device-mapper, and go-fuse is for machines of 64 bits.
func mount(context.Context, *volume.Volume, string, *app.IO) error {
	return app.WithHint(errors.New("this build has no FUSE"), "--dm prints a device-mapper table instead")
}
