// SPDX-License-Identifier: GPL-2.0-only

package planter

import (
	"fmt"
	"runtime"
)

// TB is what the planter needs of a testing.TB: somebody who ends it all where a device is not what it was taken for.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Try runs do outside of tests. Where a test would end, it comes back with the reason.
func Try(do func(tb TB)) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r
		case runtime.Error: // what it did not even look for is not there
			err = failure{r.Error()}
		default:
			panic(r)
		}
	}()
	do(tried{})
	return nil
}

type failure struct{ text string }

func (f failure) Error() string { return f.text }

type tried struct{}

func (tried) Helper()                           {}
func (tried) Fatal(args ...any)                 { panic(failure{fmt.Sprint(args...)}) }
func (tried) Fatalf(format string, args ...any) { panic(failure{fmt.Sprintf(format, args...)}) }
