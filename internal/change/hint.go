// SPDX-License-Identifier: GPL-2.0-only

package change

import "fmt"

// withHint adds the way out to an error.
func withHint(err error, format string, a ...any) error {
	return fmt.Errorf("%w; %s", err, fmt.Sprintf(format, a...))
}
