// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/inspect/sets"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
)

// view is the sets for scripts: a row a device, whatever set it is of.
func (l *lister) view(groups []sets.Set) render.View[*sets.Row] {
	named := []sets.Set{}
	for _, s := range groups {
		if s.UUID != nil {
			named = append(named, s)
		}
	}
	return render.View[*sets.Row]{
		Head: []render.Field{{Key: "complete", Value: len(l.unread) == 0}, {Key: "sets", Value: named}},
		Key:  "devices",
		Rows: func(yield func(*sets.Row, error) bool) {
			for _, s := range groups {
				for i := range s.Rows {
					if !yield(&s.Rows[i], nil) {
						return
					}
				}
			}
		},
		Columns: []render.Column[*sets.Row]{
			{Name: "set_uuid", Raw: func(r *sets.Row) string { return textOr(r.Set, "") }},
			{Name: "type", Raw: func(r *sets.Row) string { return r.Type }},
			{Name: "device", Raw: func(r *sets.Row) string { return textOr(r.Device, "") }},
			{Name: "missing", Raw: func(r *sets.Row) string { return fmt.Sprint(r.Missing) }},
			{Name: "uuid", Raw: func(r *sets.Row) string { return textOr(r.UUID, "") }},
			{Name: "label", Raw: func(r *sets.Row) string { return textOr(r.Label, "") }},
			{Name: "inode", Raw: func(r *sets.Row) string { return numberText(r.Inode) }},
			{Name: "state", Raw: func(r *sets.Row) string { return textOr(r.State, "") }},
			{Name: "mode", Raw: func(r *sets.Row) string { return textOr(r.Mode, "") }},
			{Name: "dirty_bytes", Raw: func(r *sets.Row) string { return numberText(r.Dirty) }},
			{Name: "dirty_rounded", Raw: func(r *sets.Row) string { return fmt.Sprint(r.Rounded) }},
			{Name: "registered", Raw: func(r *sets.Row) string { return fmt.Sprint(r.Registered) }},
			{Name: "bcache_device", Raw: func(r *sets.Row) string { return textOr(r.Bcache, "") }},
			{Name: "trouble", Raw: func(r *sets.Row) string { return textOr(r.Trouble, "") }},
		},
	}
}

// rowColumns are what people see of a device of a set.
var rowColumns = []render.Column[*sets.Row]{
	{Name: "type", Cell: func(r *sets.Row) string { return r.Type }},
	{Name: "device", Cell: deviceText},
	{Name: "label", Cell: func(r *sets.Row) string { return textOr(r.Label, "") }},
	{Name: "state", Cell: func(r *sets.Row) string { return textOr(r.State, "-") }},
	{Name: "mode", Cell: func(r *sets.Row) string { return textOr(r.Mode, "-") }},
	{Name: "dirty", Num: true, Cell: dirtyText},
	{Name: "kernel", Cell: func(r *sets.Row) string {
		switch {
		case r.Bcache != nil:
			return *r.Bcache
		case r.Registered:
			return "registered"
		}
		return "no"
	}},
	{Name: "", Cell: func(r *sets.Row) string { return textOr(r.Trouble, "") }},
}

// deviceText is where a device is, or who is missing.
func deviceText(r *sets.Row) string {
	switch {
	case r.Device != nil:
		return *r.Device
	case r.Missing && r.UUID != nil:
		return "MISSING " + *r.UUID
	case r.Missing:
		return "MISSING"
	case r.UUID != nil:
		return "volume " + *r.UUID
	}
	return fmt.Sprintf("inode %d", *r.Inode)
}

func dirtyText(r *sets.Row) string {
	switch {
	case r.Dirty == nil:
		return "unknown"
	case r.Rounded:
		return "about " + app.Human(*r.Dirty/ondisk.SectorBytes)
	}
	return app.Human(*r.Dirty / ondisk.SectorBytes)
}

// writeSets shows each set under its uuid.
func writeSets(w io.Writer, groups []sets.Set) error {
	for i, s := range groups {
		if i > 0 {
			fmt.Fprintln(w)
		}
		title := "attached to nothing"
		if s.UUID != nil {
			title = "set " + *s.UUID
		}
		fmt.Fprintln(w, title)
		var text bytes.Buffer
		view := render.View[*sets.Row]{Columns: rowColumns, Limit: -1, Rows: func(yield func(*sets.Row, error) bool) {
			for i := range s.Rows {
				if !yield(&s.Rows[i], nil) {
					return
				}
			}
		}}
		if err := render.WriteRefs(&text, render.Table, view); err != nil {
			return err
		}
		for line := range strings.Lines(text.String()) {
			if _, err := io.WriteString(w, "  "+line); err != nil {
				return err
			}
		}
	}
	return nil
}
