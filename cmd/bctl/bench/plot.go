// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/internal/ui/chart"
)

// readPlot is --plot, if it is given.
func readPlot(args *app.Args) (string, error) {
	if !args.Given("plot") {
		return "", nil
	}
	name := args.String("plot")
	if ext := filepath.Ext(name); ext != ".svg" && ext != ".png" {
		return "", app.Usagef("--plot %q: want a name that ends in .svg or .png", name)
	}
	return name, nil
}

// plotted says of what a picture is.
func (o *benchOptions) plotted(t *trace) string {
	text := filepath.Base(t.names[0])
	if n := len(t.names) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	text += fmt.Sprintf(" (%s), model %s, %s, seed %d", t.found, o.model.Name, o.path.Mode, o.seed)
	if o.sample > 0 {
		text += fmt.Sprintf(", sample %g", o.sampleR)
	}
	return text
}

// plotMisses draws a metric, mostly the miss ratio, over the cache size: a line a policy, and a bucket size where there are several.
func plotMisses(o *benchOptions, t *trace, rows []traceRow) error {
	name, metric := o.plot, metricOf(o.metric)
	p := chart.Chart{
		Title: strings.ReplaceAll(o.metric, "_", " ") + " over cache size", X: "cache size", Y: strings.ReplaceAll(o.metric, "_", " "),
		Subtitle: o.plotted(t),
		Tick:     func(x float64) string { return app.SizeText(int64(x)) },
	}
	several := false
	for _, r := range rows {
		several = several || r.BucketBytes > 0 && r.BucketBytes != rows[0].BucketBytes
	}
	for _, r := range rows {
		line := r.Policy
		if several && r.BucketBytes > 0 {
			line += ", " + app.SizeText(r.BucketBytes)
		}
		i := slices.IndexFunc(p.Lines, func(l chart.Line) bool { return l.Name == line })
		if i < 0 {
			i = len(p.Lines)
			p.Lines = append(p.Lines, chart.Line{Name: line})
		}
		if y := metric(r); y != nil {
			p.Lines[i].Points = append(p.Lines[i].Points, chart.Point{X: float64(r.CacheBytes), Y: *y})
		}
	}
	for i := range p.Lines {
		slices.SortFunc(p.Lines[i].Points, func(a, b chart.Point) int { return cmp.Compare(a.X, b.X) })
		if len(p.Lines[i].Points) == 0 {
			return fmt.Errorf("%s: nothing to draw: no request of the trace reads or writes", name)
		}
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(p.Write(f, strings.TrimPrefix(filepath.Ext(name), ".")), f.Close())
}
