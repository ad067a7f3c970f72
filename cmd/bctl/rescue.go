// SPDX-License-Identifier: GPL-2.0-only

//go:build rescue

package main

import (
	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
)

// extras is empty: see full.go.
func extras() []*cli.Command { return nil }

func otherNames() []app.Name { return nil }
