// SPDX-License-Identifier: GPL-2.0-only

package practice

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/generate"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
)

// A wish is a damage to be planted: the nth of those that show a code.
type wish struct {
	code finding.Code
	nth  int
}

// mostToDamage is how many extents a cache has at most that is damaged: the planter looks at each of them, one by one.
const mostToDamage = 200_000

// readWishes reads --damage CODE[:N].
func readWishes(texts []string) (wishes []wish, err error) {
	known := damages.Codes()
	for _, text := range texts {
		code, nth, several := strings.Cut(text, ":")
		w := wish{finding.Code(strings.ToUpper(code)), 1}
		if several {
			if w.nth, err = strconv.Atoi(nth); err != nil || w.nth < 1 {
				return nil, app.Usagef("--damage %s: N counts from 1 on", text)
			}
		}
		if !slices.Contains(known, w.code) {
			return nil, app.WithHint(app.Usagef("--damage %s: no damage of the catalogue shows that code", text), "docs/findings.md lists the codes")
		}
		wishes = append(wishes, w)
	}
	return wishes, nil
}

// plant damages a cache, and returns what the catalogue calls the damage. It tries one damage after the other: most want
// a cache of a certain shape, and whether one shows is asked of fsck.
func (w wish) plant(ctx context.Context, dev plan.Device) (name string, err error) {
	found := 0
	for _, d := range damages.Showing(w.code) {
		img := planter.NewImage(dev, dev.Size())
		shows, err := shows(ctx, d, img, w.code)
		if err != nil {
			return "", err
		}
		if !shows {
			continue
		}
		if found++; found == w.nth {
			return d.Name, img.Flush(dev)
		}
	}
	if found > 0 {
		return "", app.Usagef("--damage %s:%d: %s of the catalogue's can be planted here", w.code, w.nth, app.Plural(found, "damage"))
	}
	return "", app.Usagef("--damage %s: none of the catalogue's damages that show it can be planted into such a cache", w.code)
}

// shows plants a damage into img and reports whether fsck finds the code.
func shows(ctx context.Context, d damages.Damage, img *planter.Image, code finding.Code) (bool, error) {
	size := img.Size()
	fits := false
	err := planter.Try(func(tb planter.TB) {
		s := damages.New(planter.Open(tb, img))
		d.Plant(s)
		// What is no more than bytes of the one device.
		fits = s.Main == img && img.Size() == size && len(img.Broken()) == 0 && s.Logical == 0 && s.Give == 0 && !s.Verify
	})
	if err != nil || !fits {
		return false, nil
	}
	r, err := fsck.Run(ctx, fsck.Device{Name: "cache", R: img, Size: size}, nil, fsck.Options{Now: generate.Now + 1})
	if err != nil {
		return false, ctx.Err()
	}
	return slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Code == code }), nil
}
