// SPDX-License-Identifier: GPL-2.0-only

package lint

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	rescueTags = "rescue,urfave_cli_no_docs" // as in the Makefile
	fullTags   = "urfave_cli_no_docs"
)

// leftOut are the import paths, each with what is below it, that the rescue build does without. The parts of bctl
// are what nobody needs to get a machine up again, the others what tempts one to link megabytes.
var leftOut = []string{
	"bctl/" + labs, "bctl/alloc", "bctl/internal/ui/chart", "bctl/cmd/bctl/bench", "bctl/cmd/bctl/practice", "bctl/cmd/bctl/report",
	"bctl/internal/image", "bctl/internal/disk/metaimage", "bctl/internal/disk/fusefile", "github.com/hanwen",
	"image", "encoding/gob", "html/template", "net/http", "testing", "github.com/klauspost/compress", "golang.org/x/image",
}

// slowStarts are versions of modules that work before main begins, each with what they cost.
var slowStarts = map[string]string{
	"github.com/mattn/go-runewidth@v0.0.26": "25 ms for a table of all runes",
	"github.com/mattn/go-runewidth@v0.0.27": "25 ms for a table of all runes",
}

// linked is what cmd/bctl is made of: a line of format for each package.
func linked(t *testing.T, tags, format string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-tags", tags, "-f", format, "./cmd/bctl")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) < 20 {
		t.Fatalf("go list finds %d", len(lines))
	}
	return lines
}

func TestRescueBuild(t *testing.T) {
	for _, path := range linked(t, rescueTags, "{{.ImportPath}}") {
		for _, out := range leftOut {
			if path == out || strings.HasPrefix(path, out+"/") {
				t.Errorf("the rescue build links %s", path)
			}
		}
	}
}

// The full build is for people too: tests stay out of it.
func TestFullBuild(t *testing.T) {
	for _, path := range linked(t, fullTags, "{{.ImportPath}}") {
		lab := strings.HasPrefix(path, "bctl/"+labs+"/") && !slices.Contains(practised, strings.TrimPrefix(path, "bctl/"))
		if path == "testing" || lab {
			t.Errorf("bctl links %s", path)
		}
	}
}

func TestStart(t *testing.T) {
	for _, module := range linked(t, fullTags, "{{with .Module}}{{.Path}}@{{.Version}}{{end}}") {
		if cost, ok := slowStarts[module]; ok {
			t.Errorf("bctl links %s, whose start costs %s", module, cost)
		}
	}
}
