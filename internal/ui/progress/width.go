// SPDX-License-Identifier: GPL-2.0-only

package progress

import "github.com/cheggaaa/pb/v3/termutil"

// Width is how many columns the terminal has, 0 where there is none.
func Width() int {
	w, err := termutil.TerminalWidth()
	if err != nil {
		return 0
	}
	return w
}
