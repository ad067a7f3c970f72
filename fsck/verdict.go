// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"fmt"
	"slices"
	"strings"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/hint"
	"bctl/internal/ui/render"
)

// Verdict is what the check means for the user's data, and what the kernel will make of the device, in one line.
func (r *Report) Verdict() string {
	if r.Backing != nil {
		return fmt.Sprintf("state %s: %s", r.Backing.State, r.Backing.Means)
	}
	parts := []string{r.data()}
	if k := r.kernel(); k != "" {
		parts = append(parts, k)
	}
	parts = append(parts, r.pairs()...)
	if v := r.Verified; v != nil && v.DifferExtents > 0 {
		parts = append(parts, fmt.Sprintf("%s of clean data differ from the backing device", render.Size(v.DifferSectors)))
	}
	return strings.Join(parts, "; ")
}

// data says how much of the user's data only the cache has, and how much of that can be read.
func (r *Report) data() string {
	s := r.Summary
	if !s.Sizes {
		return "nothing behind the superblock could be read: how much dirty data there is is unknown"
	}
	if r.NeverRegistered() {
		return "never registered: it holds no data"
	}
	read := s.Known.Tree && s.Known.Journal
	text := ""
	switch n := s.Dirty(); {
	case n == 0 && read:
		text = "no dirty data"
	case n == 0:
		text = "no dirty data could be found, but how much there is is unknown"
	case read:
		text = render.Size(n) + " of dirty data can be read"
	default:
		text = "at least " + render.Size(n) + " of dirty data can be read"
	}
	if n := r.stray(); n > 0 {
		text += fmt.Sprintf(", %s of which belong to no volume", render.Size(n))
	}
	if n := s.Lost(); n > 0 {
		text += fmt.Sprintf(", at most %s of dirty data may be lost", render.Size(n))
	}
	return text
}

// NeverRegistered reports whether the cache is as make-bcache left it.
func (r *Report) NeverRegistered() bool {
	s := r.Summary
	return s != nil && s.Sizes && s.Known.All() && s.Journal.Seq == 0 && s.Journal.Entries == 0
}

// stray is how many dirty sectors no slot leads to.
func (r *Report) stray() (n ondisk.Sector) {
	var inodes []uint64
	for _, f := range r.Findings {
		if f.Inode != nil && (f.Code == finding.UULostDirty || f.Code == finding.UUNoSlotDirty || f.Code == finding.UUInode) {
			inodes = append(inodes, *f.Inode)
		}
	}
	for _, v := range r.Summary.Volumes {
		if slices.Contains(inodes, uint64(v.Inode)) {
			n += v.DirtySectors
		}
	}
	return n
}

// kernel says what the kernel will make of the device, and the code that says so: the worst that it comes to. One that
// refuses the device comes to nothing else.
func (r *Report) kernel() string {
	for _, k := range []struct {
		is   finding.Kernel
		text string
	}{
		{finding.Refuses, "the kernel will refuse the device"},
		{finding.Crashes, "the kernel would crash on the device"},
		{finding.Loses, "the kernel would register the device and lose data"},
		{finding.Misleads, "the kernel would register the device and serve wrong data"},
	} {
		for _, f := range r.Findings {
			row := finding.Lookup(f.Code)
			counts := row.Severity == finding.Damage || k.is != finding.Misleads
			if row.Kernel == k.is && counts && f.Code.Family() != "BD" {
				return fmt.Sprintf("%s (%s)", k.text, f.Code)
			}
		}
	}
	return ""
}

// pairs says what the kernel will make of the given backing devices, of each the worst.
func (r *Report) pairs() (texts []string) {
	told := map[string]bool{}
	for _, k := range []struct {
		is   finding.Kernel
		text string
	}{
		{finding.Loses, "the kernel would bring %s up without its dirty data (%s)"},
		{finding.Refuses, "the kernel will not bring %s up with it (%s)"},
	} {
		for _, f := range r.Findings {
			row := finding.Lookup(f.Code)
			if row.Severity == finding.Damage && row.Kernel == k.is && f.Code.Family() == "BD" && !told[f.Device] {
				told[f.Device] = true
				texts = append(texts, fmt.Sprintf(k.text, f.Device, f.Code))
			}
		}
	}
	return texts
}

// KeepAway reports whether the kernel had better not see the cache: it would do harm, now or once it no longer refuses
// the device for something else.
func (r *Report) KeepAway() bool {
	return slices.ContainsFunc(r.Findings, func(f finding.Finding) bool {
		row := finding.Lookup(f.Code)
		return row.Kernel.Harms() && f.Code.Family() != "BD" && (row.Severity == finding.Damage || row.Kernel != finding.Misleads)
	})
}

// CopyFirst reports whether the device is better copied before anything is written to it: something on it is damaged,
// not only the match of two sound devices.
func (r *Report) CopyFirst() bool {
	return slices.ContainsFunc(r.Findings, func(f finding.Finding) bool {
		row := finding.Lookup(f.Code)
		return row.Severity == finding.Damage && row.Fix != finding.None && (f.Code.Family() != "BD" || r.Type == "backing")
	})
}

// A Step is what to do about a code.
type Step struct {
	Code    finding.Code `json:"finding"`
	Advice  string       `json:"advice"`
	Command string       `json:"command,omitempty"` // to paste
}

// Steps are what to do, a step for each code, in the order in which repairs build on one another; those of damage
// first. What tells more of the data comes before any repair.
func (r *Report) Steps() (steps []Step) {
	for _, severity := range []finding.Severity{finding.Damage, finding.Warning} {
		seen := map[finding.Code]bool{}
		for _, f := range r.Findings { // in the order of the table, which is that of repairs
			row := finding.Lookup(f.Code)
			if row.Severity != severity || seen[f.Code] || severity == finding.Warning && strings.HasPrefix(row.Advice, "Nothing") {
				continue
			}
			seen[f.Code] = true
			s := Step{Code: f.Code, Advice: row.Advice, Command: r.command(row.Command, f)}
			if f.Code == finding.BDSuper && r.Type == "cache" {
				steps = append(steps, r.remake(f))
				continue
			}
			if f.Code == finding.UULostDirty && len(r.Given) > 0 {
				steps = append(steps, r.relink(f))
				continue
			}
			evidence := strings.HasPrefix(s.Command, "bctl fsck") || strings.HasPrefix(s.Command, "bctl rewrite-prios")
			if severity == finding.Damage && row.Fix != finding.None && !evidence {
				s.Command = r.mend(row)
			}
			steps = append(steps, s)
		}
	}
	return steps
}

// mend is the repair of a code's damage: -p whatever the class, for what loses nothing here is mended by it; but of two
// devices that disagree one has to give something up.
func (r *Report) mend(row finding.Row) string {
	if row.Fix == finding.Lossy && row.Kernel == finding.Loses && row.Code.Family() == "BD" {
		return fmt.Sprintf("bctl fsck -y --only %s --lost lost.json %s", row.Code, r.All())
	}
	return "bctl fsck -p " + r.All()
}

// remake is what makes the superblock of a device anew that was given with its cache.
func (r *Report) remake(f finding.Finding) Step {
	all := r.All()
	if f.Device != "" && !slices.Contains(r.Given, f.Device) {
		all += " " + Quote(f.Device)
	}
	return Step{Code: f.Code, Advice: "It is made anew from its slot of the cache, in state dirty; where its data begin is looked for, and what -p leaves to you it says.", Command: "bctl fsck -p " + all}
}

// relink is what gives the dirty data of a detached volume back to a device that was given. Which it is of its label
// tells at most; the others are left to whoever knows.
func (r *Report) relink(f finding.Finding) Step {
	s := Step{Code: f.Code, Advice: "The data are those of a device that was detached; of which, its slot does not tell. Linked to it, they are the kernel's again, over what was written to it since; bctl fsck -y makes a volume of their own of them."}
	device, merge, label := "BACKING", "", ""
	for _, v := range r.Summary.Volumes {
		if f.Inode != nil && uint64(v.Inode) == *f.Inode {
			label = v.Label
		}
	}
	for i := range r.Devices {
		p := &r.Devices[i]
		if p.Device != nil && (len(r.Given) == 1 || label != "" && p.Label == label) {
			device = Quote(*p.Device)
			if p.Inode != nil {
				merge = " --merge"
			}
			break
		}
	}
	if f.Inode != nil {
		s.Command = fmt.Sprintf("bctl uuid relink%s --inode %d %s %s", merge, *f.Inode, Quote(r.Device), device)
	}
	return s
}

// command puts the names of the devices into a row's command. What was just done is no advice.
func (r *Report) command(row string, f finding.Finding) string {
	if row == "" || strings.HasPrefix(row, "bctl fsck") && len(r.Given) > 0 {
		return ""
	}
	about := r.Device
	if f.Device != "" {
		about = f.Device
	}
	names := map[string]string{"DEVICE": about, "BACKING": "BACKING...", "CACHE": "CACHE"}
	switch {
	case strings.Contains(row, "BACKING"):
		names["DEVICE"] = r.Device
		if f.Device != "" {
			names["BACKING"] = f.Device
		}
	case r.Type == "cache":
		names["CACHE"] = r.Device
	}
	words := strings.Fields(row)
	for i, w := range words {
		if name, ok := names[w]; ok {
			words[i] = name
			if name != "BACKING..." && name != "CACHE" {
				words[i] = Quote(name)
			}
		}
	}
	return strings.Join(words, " ")
}

// All is the names of all devices, as they were given, for a shell.
func (r *Report) All() string {
	words := []string{Quote(r.Device)}
	for _, name := range r.Given {
		words = append(words, Quote(name))
	}
	return strings.Join(words, " ")
}

// Quote makes a name one word of a shell's.
func Quote(name string) string { return hint.Quote(name) }
