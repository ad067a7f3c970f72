// SPDX-License-Identifier: GPL-2.0-only

// Package lint holds the house rules of bctl as tests: which package may import which, who owns a third-party
// module, how long files are, what nobody may call. The rules are the tables at the head of lint_test.go.
package lint
