// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

// repairFlags are fsck's own; fsck.bcache has fsck(8)'s.
func repairFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-action", Aliases: []string{"n"}, Usage: "check only; without a flag, fsck asks on a terminal before it repairs"},
		&cli.BoolFlag{Name: "preen", Aliases: []string{"p"}, Usage: "make every repair that can lose no data the user wrote"},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "make every repair, after listing each dirty extent that must be given up"},
		&cli.StringSliceFlag{Name: "only", Usage: "repair findings of `CODE` alone, several with commas; warnings too, if they are named"},
		&cli.StringSliceFlag{Name: "skip", Usage: "leave findings of `CODE` as they are, several with commas"},
		&cli.BoolFlag{Name: "keep-partial", Usage: "write a repair that leaves some damage, if it leaves less"},
		&cli.StringFlag{Name: "rewind", Usage: "take the cache back to journal entry `SEQ`, one of those that show-journal --rewind lists"},
		&cli.BoolFlag{Name: "force", Usage: "repair although something cannot be read: what stood there counts as unknown"},
		&cli.StringFlag{Name: "lost", Usage: "write what is given up to `FILE`, a line of JSON each, before the repair"},
		&cli.StringFlag{Name: "undo", Usage: "keep what stood there before in `FILE`; by default a new one in the state directory"},
		&cli.BoolFlag{Name: "no-undo", Usage: "keep nothing"},
	}
}

// repairOptions is what the flags say of repair.
type repairOptions struct {
	policy      finding.Policy
	keepPartial bool
	force       bool // although something cannot be read
	scan        scan
	rewind      uint64 // the journal entry to go back to; 0: none
	lost        string
	write       change.Options
	answer      func(question string) bool // nil where nobody can be asked
}

// readRepair reads them. mode is what fsck.bcache's letters say; Check where they say nothing.
func readRepair(args *app.Args, io *app.IO) (o repairOptions, err error) {
	set := 0
	for name, mode := range map[string]finding.Mode{"no-action": finding.Check, "preen": finding.Preen, "yes": finding.Yes} {
		if args.Bool(name) {
			o.policy.Mode = mode
			set++
		}
	}
	switch {
	case set > 1:
		return o, app.Usagef("-n, -p and -y contradict one another")
	case set == 0 && app.IsTerminal(io.Out) && io.Format == render.Table && isTerminalFile(io.In):
		o.policy.Mode, o.answer = finding.Ask, ask(io.In, io.Err)
	}
	if o.policy.Only, err = codeList(args, "only"); err != nil {
		return o, err
	}
	if o.policy.Skip, err = codeList(args, "skip"); err != nil {
		return o, err
	}
	if o.policy.Mode == finding.Check {
		for _, name := range []string{"only", "skip", "keep-partial", "force", "lost", "rewind", "undo", "no-undo"} {
			if args.Given(name) {
				return o, app.WithHint(app.Usagef("--%s is about repair", name), "give -p or -y too")
			}
		}
	}
	o.keepPartial, o.lost, o.force = args.Bool("keep-partial"), args.String("lost"), args.Bool("force")
	if o.scan, err = readScan(args); err != nil {
		return o, err
	}
	if err := args.Number("rewind", 1, math.MaxUint64, func(n uint64) { o.rewind = n }); err != nil {
		return o, err
	}
	o.write, err = args.Write(io)
	o.write.Command = "fsck"
	o.write.DryRun = o.policy.Mode == finding.Check
	return o, err
}

func isTerminalFile(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && app.IsTerminal(f)
}

// codeList reads codes that a flag names, given again or with commas.
func codeList(args *app.Args, name string) (codes []finding.Code, err error) {
	for _, word := range args.List(name, "") {
		code := finding.Code(strings.ToUpper(strings.TrimSpace(word)))
		if _, ok := finding.Find(code); !ok {
			return nil, app.WithHint(app.Usagef("--%s %q: not one of the codes of findings", name, word), "bctl explain lists them")
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// ask puts a question on a terminal; anything but y is no.
func ask(in io.Reader, out io.Writer) func(string) bool {
	r := bufio.NewReader(in)
	return func(question string) bool {
		fmt.Fprintf(out, "%s [y/N] ", question)
		line, _ := r.ReadString('\n')
		return strings.EqualFold(strings.TrimSpace(line), "y")
	}
}

// wants reports whether anything of rep is to be repaired. Where somebody can be asked, he is, once a family; a family
// that he leaves is left out. Preening tries whatever can be mended: what a repair gives up is known only once it is
// planned.
func (o *repairOptions) wants(rep *fsck.Report) bool {
	policy := o.policy
	if policy.Mode == finding.Preen {
		policy.Mode = finding.Yes
	}
	families, order := map[finding.Structure][]finding.Code{}, []finding.Structure{}
	mend := false
	for _, f := range rep.Findings {
		switch policy.Decide(f.Code) {
		case finding.Mend:
			mend = true
		case finding.Question:
			name := finding.Lookup(f.Code).Mend
			if families[name] == nil {
				order = append(order, name)
			}
			families[name] = append(families[name], f.Code)
		}
	}
	if o.answer == nil {
		return mend
	}
	for _, name := range order {
		codes := families[name]
		if o.answer(fmt.Sprintf("%s: %s about the %s (%s). Repair?", app.OneLine(rep.Device), app.Plural(len(codes), "finding"), name, codeNames(codes))) {
			mend = true
		} else {
			o.policy.Skip = append(o.policy.Skip, codes...)
		}
	}
	return mend
}

// codeNames are some codes, each once.
func codeNames(codes []finding.Code) string {
	codes = slices.Compact(slices.Sorted(slices.Values(codes)))
	words := make([]string, len(codes))
	for i, c := range codes {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}

// mend repairs the devices, claimed alone.
func (o *repairOptions) mend(ctx context.Context, seen *seen, names []string, run fsck.Options, io *app.IO) (out repaired, err error) {
	devs, open, err := seen.claimed(ctx, o, names, run)
	if err != nil {
		return out, err
	}
	for _, d := range devs {
		out.devices = append(out.devices, d.Name)
	}
	if err = o.plan(ctx, seen, run, &out); err != nil || out.why != "" {
		return out, err
	}
	if io.Format == render.Table {
		tellLost(io.Err, out.result)
	}
	if out.why = o.declined(out.result); out.why != "" {
		return out, nil
	}
	if o.lost != "" {
		if err := writeLost(o.lost, out.result.Lost); err != nil {
			return out, fmt.Errorf("--lost: %w", err)
		}
		if len(out.result.Lost) > 0 {
			io.Note("%s says what is given up; debugfs icheck, xfs_db or filefrag turn offsets into file names", o.lost)
		}
	}
	var stages []change.Stage
	for i, p := range out.result.Plans {
		if p != nil {
			if open[i].Path() == names[0] {
				p = p.Shift(o.scan.start)
			}
			stages = append(stages, change.Stage{Dev: open[i], Plan: p})
		}
	}
	if len(stages) == 0 {
		return out, nil
	}
	seen.work = nil // it holds what was read
	o.write.Sure = func() error { return asPlanned(ctx, devs, run, out.result) }
	out.undo, err = change.Run(ctx, o.write, stages...)
	out.written = err == nil
	return out, err
}

// plan plans a repair, and says in out why it must not be carried out. Where preening all would give something up, and a
// part may be left, what may is left out.
func (o *repairOptions) plan(ctx context.Context, seen *seen, run fsck.Options, out *repaired) (err error) {
	if out.result, err = seen.work.Plan(); err != nil {
		return err
	}
	out.why = o.refuses(out.result)
	if out.why == "" || o.policy.Mode != finding.Preen || !o.keepPartial || out.result.Before == nil {
		return nil
	}
	part := *o
	for code := range repair.Damage(out.result.Before) {
		if finding.Lookup(code).Fix == finding.Lossy {
			part.policy.Skip = append(part.policy.Skip, code)
		}
	}
	less, err := seen.begin(ctx, &part, run).Plan()
	if err == nil && part.refuses(less) == "" {
		out.result, out.why = less, ""
	}
	return err
}

// refuses says why a plan must not be carried out, or nothing.
func (o *repairOptions) refuses(r *repair.Result) string {
	dirty, below := given(r)
	switch before, after := r.Damages(); {
	case o.scan.on && o.policy.Mode < finding.Preen:
		return "it was only looked for: -y writes it"
	case r.Unread && !o.force:
		return "something cannot be read: copy the device first (ddrescue), and repair the copy, or --force"
	case slices.ContainsFunc(r.Findings(), func(f finding.Finding) bool { return f.Code == finding.SBByteOrder }):
		return "its metadata are of the other byte order, and nothing is written to it"
	case o.rewind != 0 && !slices.ContainsFunc(r.Plans, func(p *plan.Plan) bool { return p != nil }):
		return "nothing to rewind: " + strings.Join(r.Evidence, ", ")
	case after >= before && (o.rewind == 0 || after > 0):
		return "nothing of it can be repaired: bctl explain CODE says why"
	case after > 0 && !o.keepPartial:
		return fmt.Sprintf("%d of %d findings would be left: --keep-partial repairs the others", after, before)
	case o.leftOut(r) != "":
		return o.leftOut(r)
	case o.policy.Mode == finding.Preen && below > 0 && dirty == 0:
		return "the backing device may have newer data in the place of the cache's dirty ones: -y lists them, and takes the cache's"
	case o.policy.Mode == finding.Preen:
		return r.Loses()
	}
	return ""
}

// leftOut says what the plan would do to what -only or -skip left out, or nothing.
func (o *repairOptions) leftOut(r *repair.Result) string {
	for _, c := range r.Besides() {
		if slices.Contains(o.policy.Skip, c) {
			return fmt.Sprintf("%s is to stay, but stands in what has to be made anew: without --skip it is repaired too", c)
		}
	}
	found := repair.Damage(r.Before)
	all := repair.Options{Only: o.policy.Only, Skip: o.policy.Skip}
	for _, l := range r.Lost {
		switch {
		case !l.Dirty || all.Wants(l.Code) || len(o.policy.Only)+len(o.policy.Skip) == 0:
		case l.Known:
			return fmt.Sprintf("dirty data would have to be given up for %s too, which was left out", l.Code)
		case found[l.Code] > 0:
			return fmt.Sprintf("keys of which nothing is known would be given up for %s too, which was left out", l.Code)
		}
	}
	return ""
}

// declined asks whoever can be asked once more where something must be given up that is nowhere else, and says what to
// say where he does not want that.
func (o *repairOptions) declined(r *repair.Result) string {
	dirty, below := given(r)
	if o.answer == nil || dirty+below == 0 && !r.Unknown && len(r.Unconfirmed) == 0 && r.Guess == "" {
		return ""
	}
	question := "What is listed is given up. Go on?"
	switch {
	case dirty+below > 0:
	case r.Guess != "":
		question = r.Guess + ". Go on?"
	case len(r.Unconfirmed) > 0:
		question = "What is listed may be old, and would be written over newer data. Go on?"
	default:
		question = "Keys are gone of which nothing is known, so dirty data may be. Go on?"
	}
	if o.answer(question) {
		return ""
	}
	return "as you said"
}
