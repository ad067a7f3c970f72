// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package render

import (
	"bytes"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// width is how many columns of a terminal s takes.
func width(s string) int { return twwidth.Width(s) }

// draw lays the rows out. It goes through a buffer, because tablewriter drops write errors.
func (l *layout) draw(b *bytes.Buffer, header bool) error {
	t := tablewriter.NewTable(b, l.options()...)
	if header {
		t.Header(l.header)
	}
	if err := t.Bulk(l.cells); err != nil {
		return err
	}
	return t.Render()
}

// options make tablewriter leave the text alone: no upper-case headers, no wrapping, no borders, two blanks
// between columns so that cut, awk and grep work.
func (l *layout) options() []tablewriter.Option {
	align := make(tw.Alignment, len(l.right))
	for i, right := range l.right {
		if align[i] = tw.AlignLeft; right {
			align[i] = tw.AlignRight
		}
	}
	widths := tw.NewMapper[int, int]()
	for i, width := range l.widths {
		widths.Set(i, width+2)
	}
	return []tablewriter.Option{
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithAlignment(align),
		tablewriter.WithPadding(tw.Padding{Left: "", Right: "  ", Overwrite: true}),
		tablewriter.WithColumnWidths(widths),
	}
}
