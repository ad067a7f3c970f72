// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/finding"
	"bctl/internal/message"
	"bctl/internal/ui/render"
)

const explainDescription = `Explains a code of bctl fsck, or a message of Linux' bcache as it stands in the kernel's log: what it means, how bad it
is, what not to do now, and the next step. Without operands it reads a log on standard input, and explains each message of
bcache in it once. What it does not know is exit code 8.

Examples:

    bctl explain PR01
    bctl explain 'bad csum reading priorities'
    journalctl -k | bctl explain
`

func ExplainCommand() *cli.Command {
	return &cli.Command{
		Name:        "explain",
		Usage:       "explain a finding's code, a kernel message, or a log",
		ArgsUsage:   "[CODE|MESSAGE...]",
		Description: explainDescription,
		Action: app.Action(func(_ context.Context, args *app.Args, io *app.IO) error {
			words := args.Operands()
			if len(words) == 0 && io.Typed() {
				return args.Wrong("neither a code nor a message, and no log on standard input")
			}
			return explain(words, io)
		}),
	}
}

// An explanation is one code or one message. Fields that the other kind has are null.
type explanation struct {
	Code       *string  `json:"code"`
	Message    *string  `json:"message"`
	Severity   string   `json:"severity"`
	Title      string   `json:"title"`
	Means      string   `json:"means"`
	Dont       *string  `json:"do_not"`
	Fix        *string  `json:"fix"`
	Cost       *string  `json:"cost"`
	Next       *string  `json:"next_step"`
	Command    *string  `json:"command"`
	Codes      []string `json:"codes"`
	Invariants *string  `json:"invariants"`
	Lines      *int     `json:"lines"` // of a log
}

func explain(words []string, io *app.IO) error {
	var list []explanation
	var unknown []string
	if len(words) == 0 {
		var err error
		if list, unknown, err = explainLog(io.In); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
	} else {
		list, unknown = explainWords(words)
	}
	if len(list) > 0 {
		if err := writeExplanations(io, list); err != nil {
			return err
		}
	}
	switch {
	case len(unknown) == 1:
		return app.WithHint(fmt.Errorf("not known: %s", unknown[0]), "docs/messages.md lists the messages that are known, docs/findings.md the codes")
	case len(unknown) > 1:
		return fmt.Errorf("%d messages are not known, the first: %s", len(unknown), unknown[0])
	case len(list) == 0:
		return fmt.Errorf("standard input: no message of bcache in it")
	}
	return nil
}

var codeShape = regexp.MustCompile(`^[A-Za-z]{2}[0-9]{2}$`)

// explainWords explains codes and messages. A message that came in pieces, for it was not quoted, is put together.
func explainWords(words []string) (list []explanation, unknown []string) {
	var rest []string
	for _, word := range words {
		if codeShape.MatchString(word) {
			if r, ok := finding.Find(finding.Code(strings.ToUpper(word))); ok {
				list = append(list, ofCode(r))
			} else {
				unknown = append(unknown, word)
			}
			continue
		}
		rest = append(rest, word)
	}
	if whole := strings.Join(rest, " "); len(rest) > 0 && !anyKnown(rest) {
		rest = []string{whole}
	}
	for _, text := range rest {
		if r, ok := message.Find(text); ok {
			list = append(list, ofMessage(r, nil))
		} else {
			unknown = append(unknown, text)
		}
	}
	return list, unknown
}

func anyKnown(texts []string) bool {
	for _, text := range texts {
		if _, ok := message.Find(text); ok {
			return true
		}
	}
	return false
}

// explainLog explains each message of bcache in a log once, in the order in which they appear.
func explainLog(r io.Reader) (list []explanation, unknown []string, err error) {
	at := map[string]int{}
	missing := map[string]bool{}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if !message.Ours(line) {
			continue
		}
		row, ok := message.Find(line)
		switch {
		case !ok:
			text := line
			if i := strings.Index(line, "bcache"); i > 0 {
				text = line[i:]
			}
			if !missing[text] {
				missing[text] = true
				unknown = append(unknown, text)
			}
		case at[row.Text] == 0:
			one := 1
			list = append(list, ofMessage(row, &one))
			at[row.Text] = len(list)
		default:
			*list[at[row.Text]-1].Lines++
		}
	}
	return list, unknown, lines.Err()
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func ofCode(r finding.Row) explanation {
	code, fix := string(r.Code), string(r.Fix)
	return explanation{
		Code: &code, Severity: string(r.Severity), Title: r.Title, Means: r.Help, Fix: &fix, Cost: text(r.Cost),
		Next: text(r.Advice), Command: text(r.Command), Codes: []string{code}, Invariants: text(r.Invariants),
	}
}

func ofMessage(r message.Row, lines *int) explanation {
	return explanation{
		Message: &r.Text, Severity: string(r.Grade), Title: r.Text, Means: r.Means, Dont: text(r.Dont), Command: text(r.Next),
		Codes: append([]string{}, strings.Fields(r.Codes)...), Lines: lines,
	}
}

func writeExplanations(io *app.IO, list []explanation) error {
	if io.Format != render.Table {
		return render.Write(io.Out, io.Format, render.View[explanation]{
			Key: "explanations", Columns: explainColumns, Limit: -1,
			Rows: func(yield func(explanation, error) bool) {
				for _, e := range list {
					if !yield(e, nil) {
						return
					}
				}
			},
		})
	}
	width := io.Width()
	if width < 40 || width > 100 {
		width = 100
	}
	for i, e := range list {
		if i > 0 {
			fmt.Fprintln(io.Out)
		}
		fmt.Fprint(io.Out, e.text(width))
	}
	return nil
}

var explainColumns = []render.Column[explanation]{
	{Name: "code", Cell: func(e explanation) string { return deref(e.Code) }},
	{Name: "message", Cell: func(e explanation) string { return deref(e.Message) }},
	{Name: "severity", Cell: func(e explanation) string { return e.Severity }},
	{Name: "means", Cell: func(e explanation) string { return e.Means }},
	{Name: "do_not", Cell: func(e explanation) string { return deref(e.Dont) }},
	{Name: "next_step", Cell: func(e explanation) string { return deref(e.Next) }},
	{Name: "command", Cell: func(e explanation) string { return deref(e.Command) }},
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// text is an explanation for people.
func (e explanation) text(width int) string {
	var b strings.Builder
	head := e.Title
	if e.Code != nil {
		head = *e.Code + ": " + e.Title
	}
	fmt.Fprintf(&b, "%s\n", head)
	field := func(name, value string) {
		if value != "" {
			b.WriteString(wrapped(name, value, width))
		}
	}
	how := e.Severity
	if e.Lines != nil && *e.Lines > 1 {
		how += fmt.Sprintf(", in %d lines", *e.Lines)
	}
	field("how bad", how)
	field("meaning", e.Means)
	field("do not", deref(e.Dont))
	if e.Fix != nil {
		field("repair", *e.Fix+": "+deref(e.Cost))
	}
	field("next", deref(e.Next))
	if e.Next == nil {
		field("next", deref(e.Command))
	} else {
		field("", deref(e.Command))
	}
	if e.Code == nil {
		field("findings", strings.Join(e.Codes, " "))
	}
	return b.String()
}

// wrapped is a field whose value is broken at blanks.
func wrapped(name, value string, width int) string {
	const indent = 12
	var b strings.Builder
	line := fmt.Sprintf("  %-*s", indent-2, name)
	for word := range strings.FieldsSeq(value) {
		if len(line)+len(word) > width && len(line) > indent {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = strings.Repeat(" ", indent)
		}
		line += word + " "
	}
	return b.String() + strings.TrimRight(line, " ") + "\n"
}
