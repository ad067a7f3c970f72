// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

// shown is how a report is to look.
type shown struct {
	all     bool // findings of one code, however many
	colours bool
}

// shownOfCode is how many findings of one code are printed: nobody reads more.
const shownOfCode = 10

var findingColumns = []render.Column[finding.Finding]{
	{Name: "severity", Cell: func(f finding.Finding) string { return string(f.Severity) }},
	{Name: "code", Cell: func(f finding.Finding) string { return string(f.Code) }},
	{Name: "message", Cell: func(f finding.Finding) string { return f.Message }},
	{Name: "device", Raw: func(f finding.Finding) string { return f.Device }},
	{Name: "bucket", Raw: func(f finding.Finding) string { return optional(f.Bucket) }},
	{Name: "sector", Raw: func(f finding.Finding) string { return optional(f.Sector) }},
	{Name: "inode", Raw: func(f finding.Finding) string { return optional(f.Inode) }},
	{Name: "offset_sectors", Raw: func(f finding.Finding) string { return optional(f.OffsetSectors) }},
	{Name: "sectors", Raw: func(f finding.Finding) string { return optional(f.Sectors) }},
}

func optional(n *uint64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func findingView(fs []finding.Finding) render.View[finding.Finding] {
	return render.View[finding.Finding]{
		Key:     "findings",
		Columns: findingColumns,
		Limit:   -1,
		Rows: func(yield func(finding.Finding, error) bool) {
			for _, f := range fs {
				if !yield(f, nil) {
					return
				}
			}
		},
	}
}

// writeReport writes a report, and in JSON more fields behind it.
func writeReport(w io.Writer, format render.Format, rep *fsck.Report, how shown, more ...render.Field) error {
	if format == render.Table {
		return writeText(w, rep, how)
	}
	view := findingView(rep.Findings)
	view.Head = []render.Field{
		{Key: "device", Value: rep.Device},
		{Key: "type", Value: rep.Type},
		{Key: "result", Value: rep.Result},
		{Key: "complete", Value: rep.Complete},
		{Key: "verdict", Value: rep.Verdict()},
		{Key: "devices", Value: rep.Devices},
	}
	view.Tail = func() []render.Field {
		return append([]render.Field{
			{Key: "backing", Value: rep.Backing},
			{Key: "verified", Value: rep.Verified},
			{Key: "next", Value: append([]fsck.Step{}, rep.Steps()...)},
			{Key: "summary", Value: rep.Summary},
		}, more...)
	}
	return render.Write(w, format, view)
}

// writeText is the report for people: what it means, what there is, what was found with the worst last, and what to do.
func writeText(w io.Writer, rep *fsck.Report, how shown) error {
	var b strings.Builder
	steps := rep.Steps()
	verdict := fmt.Sprintf("%s: %s: %s.", app.OneLine(rep.Device), rep.Word(), rep.Verdict())
	if len(steps) > 0 && (rep.Result == fsck.Damaged || rep.KeepAway()) {
		verdict += " Next: " + cmp.Or(steps[0].Command, strings.TrimSuffix(steps[0].Advice, "."))
	} else {
		verdict = strings.TrimSuffix(verdict, ".")
	}
	fmt.Fprintln(&b, how.mark(verdict, rep.Result == fsck.Damaged))
	writeSummary(&b, rep)
	if err := writeFindings(&b, rep.Findings, how); err != nil {
		return err
	}
	writeSteps(&b, rep, steps)
	_, err := io.WriteString(w, b.String())
	return err
}

// mark makes a line red.
func (s shown) mark(line string, red bool) string {
	if !s.colours || !red {
		return line
	}
	return "\x1b[31m" + line + "\x1b[0m"
}

// writeFindings lists them, damage last: it stands next to the prompt.
func writeFindings(b *strings.Builder, fs []finding.Finding, how shown) error {
	if len(fs) == 0 {
		return nil
	}
	rank := []finding.Severity{finding.Note, finding.Warning, finding.Damage}
	fs = slices.Clone(fs)
	sort.SliceStable(fs, func(i, j int) bool {
		return slices.Index(rank, fs[i].Severity) < slices.Index(rank, fs[j].Severity)
	})
	var text bytes.Buffer
	if err := render.Write(&text, render.Table, findingView(first(fs, how.all))); err != nil {
		return err
	}
	fmt.Fprintln(b)
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(line, "\n")
		fmt.Fprintln(b, how.mark(line, strings.HasPrefix(line, string(finding.Damage)+" ")))
	}
	return nil
}

// first leaves out all but the first of each code, and says how many.
func first(fs []finding.Finding, all bool) (out []finding.Finding) {
	if all {
		return fs
	}
	for i := 0; i < len(fs); {
		n := 1
		for i+n < len(fs) && fs[i+n].Code == fs[i].Code {
			n++
		}
		out = append(out, fs[i:i+min(n, shownOfCode)]...)
		if n > shownOfCode {
			out = append(out, finding.New(fs[i].Code, "... and %d more of these (--all)", n-shownOfCode))
		}
		i += n
	}
	return out
}

// writeSteps is what to do: for each code, and before anything else.
func writeSteps(b *strings.Builder, rep *fsck.Report, steps []fsck.Step) {
	if len(steps) > 0 {
		fmt.Fprintln(b)
	}
	for i, s := range steps {
		fmt.Fprintf(b, "%s: %s\n", s.Code, s.Advice)
		again := slices.ContainsFunc(steps[i+1:], func(o fsck.Step) bool { return o.Command == s.Command })
		if s.Command != "" && !again { // behind the last of those that it is for
			fmt.Fprintf(b, "    %s\n", s.Command)
		}
	}
	if left := leftByPreen(rep, steps); left != "" {
		fmt.Fprintf(b, "\nWhat -p leaves, because %s, -y mends, and lists them first:\n    bctl fsck -y --lost lost.json %s\n", left, rep.All())
	}
	if rep.CopyFirst() {
		fmt.Fprintf(b, "\nBefore anything is written to it, copy the device:\n    ddrescue %s%s copy.img copy.map\n", direct(rep.Device), fsck.Quote(rep.Device))
	}
	if rep.KeepAway() {
		fmt.Fprint(b, "\nKeep the kernel away from it until then: udev registers it at boot, or when it is plugged in:\n"+
			"    mkdir -p /run/udev/rules.d && ln -sf /dev/null /run/udev/rules.d/69-bcache.rules && udevadm control --reload\n")
	}
}

// leftByPreen says why -p may leave something that -y mends, or nothing.
func leftByPreen(rep *fsck.Report, steps []fsck.Step) (why string) {
	for _, s := range steps {
		switch row := finding.Lookup(s.Code); {
		case row.Severity != finding.Damage, strings.HasPrefix(s.Command, "bctl fsck -y"):
		case row.Fix == finding.Lossy:
			return "data must be given up for it"
		case row.Mend == finding.PrioChain && rep.Summary != nil && rep.Summary.Dirty() > 0:
			why = "dirty data may be old after it"
		}
	}
	return why
}

// direct is ddrescue's flag for reading past the page cache, which block devices know and a file, be it below /dev, may not.
func direct(name string) string {
	if fi, err := os.Stat(name); err == nil && fi.Mode()&os.ModeDevice != 0 {
		return "-d "
	}
	return ""
}
