// SPDX-License-Identifier: GPL-2.0-only

// Package message is the table of what Linux' bcache says in the kernel's log: what each message means, how bad it is,
// what not to do now, and the next step. docs/messages.md and `bctl explain` are made of it. Where fsck finds the same
// on the device, the row names the codes.
package message

import (
	"strings"

	"bctl/internal/finding"
)

// Grade says how bad a message is.
type Grade string

const (
	Normal    Grade = "normal"       // nothing is wrong
	Umbrella  Grade = "see above"    // the line before it says what is
	Refused   Grade = "refused"      // the device does not come up; nothing is lost by that
	Unwell    Grade = "look at it"   // it goes on, and something is not as it should be
	Endangers Grade = "data at risk" // dirty data may be lost with the next step
	Hardware  Grade = "hardware"     // a drive, a cable or a controller fails
)

// A Row is everything bctl says about one message.
type Row struct {
	Text    string // as the kernel prints it, behind its prefix; * stands for anything
	Grade   Grade
	Means   string
	Dont    string // what not to do now; "" where nothing is wrong with going on
	Next    string // the next step, to paste where it is a command: with DEVICE, BACKING or CACHE for the names
	Codes   string // of findings
	Aliases []string
}

// Find finds the row of a line of the log, or of what somebody typed: of all that fit, the one of which most is in
// the line. One that only says that there was a reason gives way to that of the reason, where the line has it.
func Find(line string) (row Row, ok bool) {
	most := 0
	for _, part := range table() {
		for _, r := range part {
			for _, text := range append([]string{r.Text}, r.Aliases...) {
				n := fit(line, text)
				if n > 0 && r.Grade != Umbrella {
					n += len(line)
				}
				if n > most {
					row, ok, most = r, true, n
				}
			}
		}
	}
	return row, ok
}

// fit is how many bytes of a pattern are in a line, in order; 0 if some are not.
func fit(line, pattern string) (n int) {
	for part := range strings.SplitSeq(pattern, "*") {
		i := strings.Index(line, part)
		if i < 0 {
			return 0
		}
		line, n = line[i+len(part):], n+len(part)
	}
	return n
}

// Ours reports whether a line of a log is bcache's.
func Ours(line string) bool {
	return strings.Contains(line, "bcache") || strings.Contains(line, "bch_")
}

// All are the rows, part after part.
func All() (rows []Row) {
	for _, part := range table() {
		rows = append(rows, part...)
	}
	return rows
}

func table() [][]Row { return [][]Row{registration, attaching, metadata, running} }

// Findings are the rows of the codes.
func (r Row) Findings() (rows []finding.Row) {
	for code := range strings.FieldsSeq(r.Codes) {
		rows = append(rows, finding.Lookup(finding.Code(code)))
	}
	return rows
}
