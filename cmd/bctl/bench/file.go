// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"fmt"
	"os"
	"syscall"
)

// openPlain opens a file that somebody wrote for us. What never ends or has no end to seek to is refused: a fifo
// would make us wait for a writer, and a trace is read once for each row.
func openPlain(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
