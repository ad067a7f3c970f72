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
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
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

// In a browser: the map answers to hovers, clicks and colours, at every size, and the console
// stays silent.
func TestReportInBrowser(t *testing.T) {
	ctx, said := browser(t)
	page, _ := reported(t, "detached-reattached", func(s *damages.Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+500, 0) })
	var verdict, tip, zoomed, whole, findings, pressed string
	var pixels, narrow int
	var wide, outDisabled bool
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
		chromedp.Click(`[data-by=prio]`, chromedp.ByQuery), chromedp.AttributeValue(`[data-by=prio]`, "aria-pressed", &pressed, nil, chromedp.ByQuery),
		chromedp.Click(`[data-by=mark]`, chromedp.ByQuery), chromedp.Click("#map", chromedp.ByQuery), chromedp.Text("#range", &zoomed, chromedp.ByQuery),
		chromedp.Click("#out", chromedp.ByQuery), chromedp.Evaluate(`document.getElementById('out').disabled`, &outDisabled),
		chromedp.Text("#findings", &findings, chromedp.ByQuery),
		chromedp.EmulateViewport(360, 740), chromedp.Sleep(100 * time.Millisecond),
		chromedp.Evaluate(`document.documentElement.scrollWidth`, &narrow),
		chromedp.Evaluate(`document.getElementById('map').width >= 300`, &wide),
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
	if whole == zoomed || pressed != "true" || !outDisabled || pixels < 2 || !strings.Contains(findings, "PR01") {
		t.Errorf("range %q, then %q; %q, %v, %d colours, %.80q", whole, zoomed, pressed, outDisabled, pixels, findings)
	}
	if narrow > 360 || !wide {
		t.Errorf("on a phone it is %d wide", narrow)
	}
	if s := said(); len(s) > 0 {
		t.Errorf("the console: %q", s)
	}
}
