// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

// A repaired is what fsck tells of a repair besides the report.
type repaired struct {
	devices []string // the cache first
	result  *repair.Result
	undo    []string
	written bool
	why     string // nothing was written
}

// tellLost lists what a repair gives up that is nowhere else, and what stays though it may be old, before it is written.
func tellLost(w io.Writer, r *repair.Result) {
	for _, l := range r.Lost {
		switch {
		case l.Perhaps():
			fmt.Fprintf(w, "may be gone: %s\n", app.OneLine(l.String()))
		case l.Dirty || l.Below:
			fmt.Fprintf(w, "given up: %s\n", app.OneLine(l.String()))
		}
	}
	for _, u := range r.Unconfirmed {
		fmt.Fprintf(w, "perhaps old: %s, whose gens are lost; nothing else confirms that they were not written back\n", app.OneLine(u.String()))
	}
}

// writeLost writes a line of JSON for each extent, and has it on the medium.
func writeLost(name string, lost []repair.Lost) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if info, there := os.Stat(name); there == nil && info.Mode().IsRegular() && info.Size() == 0 {
		f, err = os.OpenFile(name, os.O_WRONLY, 0) // as mktemp makes one
	}
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for _, l := range lost {
		err = errors.Join(err, enc.Encode(l))
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if dir, failed := os.Open(filepath.Dir(name)); failed == nil { // or its name is not there after a crash
		err = errors.Join(err, dir.Sync(), dir.Close())
	}
	return err
}

// view is what JSON has of a repair.
func (r repaired) view() []render.Field {
	type count struct {
		Code  finding.Code `json:"code"`
		Count int          `json:"count"`
	}
	counts := []count{}
	for code, n := range r.result.Repaired() {
		counts = append(counts, count{code, n})
	}
	sort.Slice(counts, func(i, j int) bool { return counts[i].Code < counts[j].Code })
	if !r.written {
		counts = []count{}
	}
	return []render.Field{
		{Key: "repaired", Value: counts},
		{Key: "lost", Value: append([]repair.Lost{}, r.result.Lost...)},
		{Key: "lost_clean_sectors", Value: r.result.Clean},
		{Key: "old_dirty_sectors", Value: r.result.Old},
		{Key: "unconfirmed", Value: append([]repair.Unconfirmed{}, r.result.Unconfirmed...)},
		{Key: "unconfirmed_buckets", Value: append([]repair.Run{}, r.result.InDoubt...)},
		{Key: "unknown_lost", Value: r.result.Unknown},
		{Key: "evidence", Value: append([]string{}, r.result.Evidence...)},
		{Key: "undo_files", Value: append([]string{}, r.undo...)},
		{Key: "not_repaired_because", Value: r.why},
	}
}

// text is what people see of it.
func (r repaired) text() string {
	var b strings.Builder
	if r.why != "" {
		fmt.Fprintf(&b, "not repaired: %s\n", r.why)
		if len(r.result.Evidence) > 0 {
			fmt.Fprintln(&b, "what was planned:")
		}
	}
	for _, line := range r.result.Evidence {
		fmt.Fprintf(&b, "  %s\n", app.OneLine(line))
	}
	if r.why != "" {
		return b.String()
	}
	before, after := r.result.Damages()
	if before > 0 {
		fmt.Fprintf(&b, "repaired: %d of %s", before-after, app.Plural(before, "finding"))
	} else {
		fmt.Fprintf(&b, "rewound")
	}
	dirty, below := given(r.result)
	if dirty+r.result.Clean > 0 {
		fmt.Fprintf(&b, "; %s given up", dirtyClean(dirty, r.result.Clean))
	}
	if below > 0 {
		fmt.Fprintf(&b, "; %s of dirty data in the cache count again, in the place of what the backing device has there", app.Human(uint64(below)))
	}
	if r.result.Old > 0 {
		fmt.Fprintf(&b, "; %s that were done with are dirty again", app.Human(uint64(r.result.Old)))
	}
	if n := r.result.Doubtful(); n > 0 {
		fmt.Fprintf(&b, "; %s of the dirty data may be old", app.Human(uint64(n)))
	}
	if r.result.Unknown {
		fmt.Fprintf(&b, "; keys were gone of which nothing is known")
	}
	fmt.Fprintln(&b)
	for i, name := range r.undo {
		fmt.Fprintf(&b, "to take it back: %s\n", app.UndoneBy(name, r.device(i)))
	}
	return b.String()
}

// device is the device that undo file i is of: those that were written to, in their order.
func (r repaired) device(i int) string {
	for k, p := range r.result.Plans {
		if p == nil {
			continue
		}
		if i == 0 {
			return r.devices[k]
		}
		i--
	}
	return "DEVICE"
}

// given is how much a repair gives up of dirty data, and of what backing devices have in the place of such.
func given(r *repair.Result) (dirty, below ondisk.Sector) {
	for _, l := range r.Lost {
		switch {
		case l.Perhaps(): // it may be nothing
		case l.Dirty:
			dirty += l.Count
		case l.Below:
			below += l.Count
		}
	}
	return dirty, below
}

// dirtyClean is so much of each.
func dirtyClean(dirty, clean ondisk.Sector) string {
	amount := func(n ondisk.Sector) string {
		if n == 0 {
			return "no"
		}
		return app.Human(uint64(n)) + " of"
	}
	return fmt.Sprintf("%s dirty and %s clean data", amount(dirty), amount(clean))
}

// unmended says why nothing of rep is repaired.
func (o *repairOptions) unmended(rep *fsck.Report) string {
	var codes []finding.Code
	for c := range repair.Damage(rep) {
		if finding.Lookup(c).Fix == finding.None {
			codes = append(codes, c)
		}
	}
	switch {
	case len(repair.Damage(rep)) == 0:
		return "that clean data differ is none of the damage; --only EX14 drops those from the cache"
	case len(codes) == 0:
		return "all of it was left out"
	}
	slices.Sort(codes)
	return fmt.Sprintf("there is no repair for %s; bctl explain %s says why", codeNames(codes), codes[0])
}
