// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/damages"
)

// reported makes a page of a scene.
func reported(t *testing.T, base string, plant func(s *damages.Scene)) (page string, code int) {
	t.Helper()
	paths := planted(t, base, plant)
	page = filepath.Join(t.TempDir(), "report.html")
	got := bctl(append([]string{"report", "-o", page}, paths...)...)
	if _, err := os.Stat(page); err != nil {
		t.Fatalf("exit %d, %s", got.Code, got.Stderr)
	}
	return page, got.Code
}

// A page is whole, loads nothing, and says what is wrong; a file that is there is not written over.
func TestReportPage(t *testing.T) {
	page, code := reported(t, "detached-reattached", func(s *damages.Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+500, 0) })
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if code != 4 || !strings.HasSuffix(text, "</html>\n") || !strings.Contains(text, `"PR01"`) || !strings.Contains(text, `"complete":false`) {
		t.Errorf("exit %d, %d bytes", code, len(text))
	}
	if what := regexp.MustCompile(`(src|href)="(https?:)?//|url\(|@import|/\*(CSS|JS|DATA)\*/`).FindString(text); what != "" {
		t.Errorf("the page has %s", what)
	}
	image := planted(t, "detached-reattached", func(*damages.Scene) {})[0]
	apptest.WantLine(t, "again", bctl("report", image, "-o", page), 8, page)
	apptest.WantLine(t, "nowhere", bctl("report", image), 16, "-o")
	if out := bctl("report", image, "-o", "-"); out.Code != 0 || !strings.HasPrefix(out.Stdout, "<!DOCTYPE html>") {
		t.Errorf("exit %d", out.Code)
	}
}

// browser starts a headless Chromium; what its console says of errors is collected.
func browser(t *testing.T) (ctx context.Context, errors func() []string) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true)) // its profile is not in t.TempDir: it writes there a moment longer
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Run(ctx); err != nil { // it lives as long as this context
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said []string
	chromedp.ListenTarget(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			said = append(said, ev.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if ev.Type == runtime.APITypeError || ev.Type == runtime.APITypeWarning {
				said = append(said, fmt.Sprint(ev.Type))
			}
		}
	})
	return ctx, func() []string { mu.Lock(); defer mu.Unlock(); return said }
}

// becomes waits until what the page says of itself is true: its answer to a click may come after the click returns, and
// what chromedp itself remembers of an element's attributes after that.
func becomes(expression string) chromedp.Action { return chromedp.Poll(expression, nil) }

// In a browser: the map answers to hovers, clicks and colours, at every size, and the console
// stays silent.
func TestReportInBrowser(t *testing.T) {
	ctx, said := browser(t)
	page, _ := reported(t, "detached-reattached", func(s *damages.Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+500, 0) })
	var verdict, tip, zoomed, whole, findings string
	var pixels int
	hover := func(x, y float64) chromedp.Action {
		return chromedp.ActionFunc(func(ctx context.Context) error {
			var at []float64
			if err := chromedp.Evaluate(`(r => [r.left, r.top])(document.getElementById('map').getBoundingClientRect())`, &at).Do(ctx); err != nil {
				return err
			}
			return input.DispatchMouseEvent(input.MouseMoved, at[0]+x, at[1]+y).Do(ctx)
		})
	}
	for i, step := range []chromedp.Action{
		chromedp.EmulateViewport(1200, 900), chromedp.Navigate("file://" + page), chromedp.Poll(`document.documentElement.dataset.ready`, nil),
		chromedp.Text("#verdict", &verdict, chromedp.ByQuery), chromedp.Text("#range", &whole, chromedp.ByQuery),
		chromedp.ScrollIntoView("#map", chromedp.ByQuery), hover(5, 5), chromedp.WaitVisible("#tip", chromedp.ByQuery), chromedp.Text("#tip", &tip, chromedp.ByQuery),
		chromedp.Evaluate(`new Set(Array.from({length: 50}, (_, i) => document.getElementById('map').getContext('2d').getImageData(i * 20 + 5, i * 6 + 5, 1, 1).data.join())).size`, &pixels),
		chromedp.Click(`[data-by=prio]`, chromedp.ByQuery), becomes(`document.querySelector('[data-by=prio]').ariaPressed === 'true'`),
		chromedp.Click(`[data-by=mark]`, chromedp.ByQuery), becomes(`document.querySelector('[data-by=mark]').ariaPressed === 'true'`),
		chromedp.Click("#map", chromedp.ByQuery), becomes(`!document.getElementById('out').disabled`), chromedp.Text("#range", &zoomed, chromedp.ByQuery),
		chromedp.Click("#out", chromedp.ByQuery), becomes(`document.getElementById('out').disabled`),
		chromedp.Text("#findings", &findings, chromedp.ByQuery),
		chromedp.EmulateViewport(360, 740), becomes(`document.documentElement.scrollWidth <= 360`), // a phone's
		becomes(`document.getElementById('map').width >= 300`),
	} {
		one, stop := context.WithTimeout(ctx, 20*time.Second)
		err := chromedp.Run(one, step)
		if stop(); err != nil {
			t.Fatal(i, err, said())
		}
	}
	if !strings.HasPrefix(verdict, "damaged: ") || !strings.HasPrefix(tip, "bucket 0\n") || !strings.Contains(tip, "superblock") || !strings.Contains(tip, "unknown") {
		t.Errorf("%q, %q", verdict, tip)
	}
	if whole == zoomed || pixels < 2 || !strings.Contains(findings, "PR01") {
		t.Errorf("range %q, then %q; %d colours, %.80q", whole, zoomed, pixels, findings)
	}
	if s := said(); len(s) > 0 {
		t.Errorf("the console: %q", s)
	}
	reportLooks(t, ctx)
	if s := said(); len(s) > 0 {
		t.Errorf("the console, dark or printed: %q", s)
	}
}

// colour is what a selector's property is, as three numbers.
func colour(of, property string, to *[3]int) chromedp.Action {
	return chromedp.Evaluate(fmt.Sprintf(`getComputedStyle(document.querySelector(%q)).getPropertyValue(%q).match(/\d+/g).slice(0, 3).map(Number)`, of, property), to)
}

// reportLooks has the page that is open light, dark and printed, in three widths: what is written can be read, nothing
// is cut off, the map is drawn in the colours of each, and paper has all of the map and no buttons. Where
// BCTL_SCREENSHOTS names a directory it keeps what there was to see.
func reportLooks(t *testing.T, ctx context.Context) {
	t.Helper()
	for _, look := range []struct {
		name, scheme, media string
		width               int64
		dark                bool
	}{
		{"light", "light", "screen", 1200, false},
		{"dark", "dark", "screen", 1200, true},
		{"phone", "light", "screen", 360, false},
		{"phone-dark", "dark", "screen", 360, true},
		{"paper", "dark", "print", 794, false}, // A4; paper is white, whatever the screen is
	} {
		var ink, back [3]int
		var width int64
		var buttons string
		var drawn bool
		var closed int
		var shot []byte
		run := chromedp.Tasks{
			emulation.SetEmulatedMedia().WithMedia(look.media).WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}),
			chromedp.EmulateViewport(look.width, 900), becomes(`new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))`),
			colour("body", "color", &ink), colour("body", "background-color", &back), chromedp.Evaluate(`document.documentElement.scrollWidth`, &width),
			chromedp.Evaluate(`getComputedStyle(document.querySelector('.tools')).display`, &buttons),
			chromedp.Evaluate(`[...document.getElementById('map').getContext('2d').getImageData(1, 1, 1, 1).data].slice(0, 3).join() === rgb(css('--metadata')).join()`, &drawn), // the superblock's
			chromedp.Evaluate(`document.querySelectorAll('details:not([open])').length`, &closed),
			chromedp.FullScreenshot(&shot, 100),
		}
		if err := chromedp.Run(ctx, run); err != nil {
			t.Fatal(look.name, err)
		}
		if dir := os.Getenv("BCTL_SCREENSHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, look.name+".png"), shot, 0o600); err != nil {
				t.Error(err)
			}
		}
		if dark := back[0] < 128; dark != look.dark || (ink[0] > 128) != dark || max(ink[0]-back[0], back[0]-ink[0]) < 128 {
			t.Errorf("%s: %v on %v", look.name, ink, back)
		}
		if width > look.width || (buttons == "none") != (look.media == "print") || len(shot) < 10000 {
			t.Errorf("%s: %d wide, buttons %s, %d bytes", look.name, width, buttons, len(shot))
		}
		if (closed == 0) != (look.media == "print") {
			t.Errorf("%s: %d findings are closed", look.name, closed)
		}
		if !drawn {
			t.Errorf("%s: the map is not drawn in the colours of the page", look.name)
		}
	}
}

// Two million buckets are drawn, hovered over, zoomed and coloured without an error; how long each takes is logged, for
// a machine that has other work says nothing of it.
func TestReportOfMillions(t *testing.T) {
	ctx, said := browser(t)
	dir := t.TempDir()
	image, page := filepath.Join(dir, "big.img"), filepath.Join(dir, "big.html")
	for _, args := range [][]string{{"generate", image, "--buckets", "2097152", "--extents", "20000"}, {"report", image, "-o", page}} {
		if got := bctl(args...); got.Code != 0 {
			t.Fatalf("%q: exit %d, %s", args, got.Code, got.Stderr)
		}
	}
	var times struct{ Hover, Draw, Zoom, Gen float64 }
	var shown string
	err := chromedp.Run(ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate("file://"+page),
		chromedp.Poll(`document.documentElement.dataset.ready`, nil), chromedp.Text("#range", &shown, chromedp.ByQuery),
		chromedp.Evaluate(`(() => {
			const took = f => { const t = performance.now(); f(); return performance.now() - t; }, worst = f => Math.max(...Array.from({length: 5}, (_, i) => took(() => f(i))));
			const r = document.getElementById('map').getBoundingClientRect();
			const hovers = i => { for (let n = 0; n < 20; n++) hover(new MouseEvent('mousemove', {clientX: r.left + 20 * i + n, clientY: r.top + 17 * n})); };
			return {Hover: worst(hovers) / 20, Draw: worst(draw), Zoom: worst(i => { zoom(200000 * i); zoomOut(); }) / 2, Gen: worst(i => by(['gen', 'prio', 'age', 'mark', 'gen'][i]))};
		})()`, &times))
	if err != nil {
		t.Fatal(err, said())
	}
	t.Logf("milliseconds, the worst of five: a hover %.1f, the map %.0f, a zoom %.0f, other colours %.0f", times.Hover, times.Draw, times.Zoom, times.Gen)
	if !strings.Contains(shown, "buckets 0 to 2097151") || min(times.Hover, times.Draw, times.Zoom, times.Gen) <= 0 {
		t.Errorf("%q: %+v", shown, times)
	}
	if s := said(); len(s) > 0 {
		t.Errorf("the console: %q", s)
	}
}
