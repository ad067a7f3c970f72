// SPDX-License-Identifier: GPL-2.0-only

//go:build rescue

package progress

import (
	"io"
	"time"
)

func start(w io.Writer, what string, limit int64, wait time.Duration) Counter {
	return startPlain(w, what, limit, wait)
}
