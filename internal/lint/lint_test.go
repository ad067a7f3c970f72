// SPDX-License-Identifier: GPL-2.0-only

package lint

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// floors are import paths from the ground up, one floor a row: a package stands on the floor of the longest path that
// is its own or above it, and imports from floors below its own, and from within its own folder.
var floors = [][]string{
	{"internal/disk/full", "internal/disk/tightzstd", "internal/hint", "internal/hugepages", "internal/workers"},
	{"internal/bcache/ondisk", "internal/disk", "internal/ui"},
	{"internal/finding"},
	{"superblock", "internal/message"},
	{"prio", "internal/bcache"},
	{"internal/bcache/newset", "alloc", "alloc/blktrace", "inspect"},
	{"internal/change", "internal/generate", "internal/image", "alloc/script", "alloc/cachesim"},
	{"fsck"},
	{"internal/writeback"},
	{"cmd/bctl/app"},
	{"cmd/bctl/mkfs", "cmd/bctl/show", "cmd/bctl/check", "cmd/bctl/change", "cmd/bctl/bench", "cmd/bctl/legacy", "cmd/bctl/practice", "cmd/bctl/report", "cmd/bctl/explore", "cmd/bctl/salvage"},
	{"cmd/bctl"},
}

// labs are what tests are made with; of bctl itself only practice may import some: those that plant damage.
const labs = "internal/lab"

var practised = []string{"internal/lab/planter", "internal/lab/damages"}

// owners says which packages, and those in their folders, may use a third-party module. One module, one owner:
// whoever wants to replace it has one place to look at.
var owners = map[string][]string{
	"github.com/SaveTheRbtz/zstd-seekable-format-go": {"internal/disk/metaimage"},

	"charm.land/bubbletea/v2":           {"cmd/bctl/explore"},
	"github.com/charmbracelet":          {"cmd/bctl/explore"},
	"github.com/cheggaaa/pb/v3":         {"internal/ui/progress"},
	"github.com/google/uuid":            {"superblock", "cmd/bctl/mkfs"},
	"pgregory.net/rapid":                {"fsck/repair"},
	"github.com/hanwen/go-fuse/v2":      {"internal/disk/fusefile"},
	"github.com/klauspost/compress":     {"internal/lab/imgtest", "alloc/blktrace", "internal/disk/metaimage"},
	"github.com/mattn/go-isatty":        {"cmd/bctl/app"},
	"github.com/olekukonko/tablewriter": {"internal/ui/render"},
	"github.com/urfave/cli/v2":          {"cmd/bctl"},
	"github.com/xrash/smetrics":         {"cmd/bctl/app"},
	"golang.org/x/image":                {"internal/ui/chart"},
	"golang.org/x/sys":                  {"internal/disk/blockdev", "internal/bcache/ondisk", "internal/bcache/btree", "inspect", "alloc"},
}

// topLevel is what the root of the repository may hold.
var topLevel = []string{
	"cmd", "superblock", "prio", "alloc", "inspect", "fsck", "docs", "go.mod", "go.sum",
	"internal", "test", "testdata", "packaging", ".ci", "Makefile", "README.md", "LICENSE", "THIRD_PARTY", "CHANGELOG.md",
	"CONTRIBUTING.md", ".golangci.yml", ".gitattributes", ".gitignore", ".git", "bctl", "bctl-rescue", "dist", "man",
}

// forbidden calls, each with the reason.
var forbidden = map[string]string{
	"fmt.Print":   "write to the io.Writer you were given",
	"fmt.Printf":  "write to the io.Writer you were given",
	"fmt.Println": "write to the io.Writer you were given",
	"log.Fatal":   "return an error",
	"log.Fatalf":  "return an error",
	"log.Panic":   "return an error",
	"os.Exit":     "only main may exit",
	"os.Stdout":   "write to the io.Writer you were given",

	"sync.WaitGroup": "internal/workers.Group, whose panics reach somebody",
}

const (
	maxFile = 400 // lines of a file that is no test
	maxFunc = 60  // lines of a function: a screen
)

// A package is a line of `go list`.
type goPackage struct {
	path    string
	imports []string
}

// packages lists the module's packages, by their path below the module.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		list = append(list, goPackage{strings.TrimPrefix(words[0], "bctl/"), words[1:]})
	}
	if len(list) < 5 {
		t.Fatalf("go list finds %d packages", len(list))
	}
	return list
}

// floorOf is the number of a package's floor and the path that gave it; -1 for one that has none.
func floorOf(path string) (floor int, prefix string) {
	floor = -1
	for i, row := range floors {
		for _, p := range row {
			if (path == p || strings.HasPrefix(path, p+"/")) && len(p) > len(prefix) {
				floor, prefix = i, p
			}
		}
	}
	return floor, prefix
}

// forTests reports whether a package is imported by tests alone.
func forTests(path string) bool {
	return strings.HasPrefix(path, labs+"/") || strings.HasPrefix(path, "test/") || path == "internal/lint" || path == "packaging" || strings.HasPrefix(path, "packaging/") || strings.HasPrefix(path, "testdata/")
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range packages(t) {
		if forTests(p.path) {
			continue
		}
		own, room := floorOf(p.path)
		if own < 0 {
			t.Errorf("%s: give it a floor", p.path)
			continue
		}
		for _, imp := range p.imports {
			below, ours := strings.CutPrefix(imp, "bctl/")
			if !ours || strings.HasPrefix(below, p.path+"/") {
				continue
			}
			if p.path == "cmd/bctl/practice" && slices.Contains(practised, below) {
				continue
			}
			floor, other := floorOf(below)
			if forTests(below) || floor > own || floor == own && (other != room || room == "internal/disk" || room == "internal/ui" || room == "internal/bcache") {
				t.Errorf("%s imports %s, which is not below it", p.path, below)
			}
		}
	}
}

func TestModulesHaveOwners(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.imports {
			first, _, _ := strings.Cut(imp, "/")
			if strings.Contains(first, ".") && !owned(imp, p.path) {
				t.Errorf("%s imports %s: it does not own it", p.path, imp)
			}
		}
	}
}

// owned says whether pkg may import imp.
func owned(imp, pkg string) bool {
	for module, by := range owners {
		if imp == module || strings.HasPrefix(imp, module+"/") {
			return slices.ContainsFunc(by, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") })
		}
	}
	return false
}

// sources calls f for every Go file of the module.
func sources(t *testing.T, f func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			rel, _ := filepath.Rel(root, path)
			f(filepath.ToSlash(rel), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// exempt says whether a file is where what is forbidden is done for all others.
func exempt(path, what string) bool {
	switch what {
	case "cli.Context":
		return strings.HasPrefix(path, "cmd/bctl/app/")
	case "sync.WaitGroup":
		return strings.HasPrefix(path, "internal/workers/") || strings.HasPrefix(path, "test/")
	}
	return path == "cmd/bctl/main.go" || strings.HasPrefix(path, "test/") || strings.HasPrefix(path, "packaging/")
}

func TestCode(t *testing.T) {
	documented := map[string]bool{}
	sources(t, func(path string, text []byte) {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		if !strings.HasPrefix(string(text), "// SPDX-License-Identifier: GPL-2.0-only\n\n") {
			t.Errorf("%s: no SPDX line", path)
		}
		dir := filepath.Dir(path)
		documented[dir] = documented[dir] || file.Doc != nil
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		if n := fset.File(file.Pos()).LineCount(); n > maxFile {
			t.Errorf("%s has %d lines, at most %d", path, n, maxFile)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if lines := fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1; lines > maxFunc {
					t.Errorf("%s: %s has %d lines, at most %d", path, n.Name.Name, lines, maxFunc)
				}
				if n.Name.Name == "init" && n.Recv == nil {
					t.Errorf("%s: no init functions", fset.Position(n.Pos()))
				}
			case *ast.GoStmt:
				if !strings.HasPrefix(path, "internal/workers/") && !strings.HasPrefix(path, "test/") {
					t.Errorf("%s: internal/workers starts goroutines, so that their panics reach somebody", fset.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				if what := x.Name + "." + n.Sel.Name; forbidden[what] != "" && !exempt(path, what) {
					t.Errorf("%s: %s: %s", fset.Position(n.Pos()), what, forbidden[what])
				}
			}
			return true
		})
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment", dir)
		}
	}
}

// claims are the calls that open what is there for writing. A new file is nobody's.
var claims = []string{"Claim", "OpenExclusive"}

// One door leads to writing: whoever writes to a device goes through internal/change.Run, which proves, keeps what
// stands there, and has the device for itself.
func TestOneDoorForWriters(t *testing.T) {
	sources(t, func(path string, text []byte) {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "internal/change/") || strings.HasPrefix(path, "internal/disk/") || strings.HasPrefix(path, "test/") ||
			strings.HasPrefix(path, "cmd/bctl/practice/") { // which damages images of its own
			return
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, 0)
		if err != nil {
			t.Error(err)
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "blockdev" && slices.Contains(claims, sel.Sel.Name) {
					t.Errorf("%s: blockdev.%s: go through internal/change", fset.Position(sel.Pos()), sel.Sel.Name)
				}
			}
			return true
		})
	})
}

// A package is called after what it is about.
func TestNames(t *testing.T) {
	for _, p := range packages(t) {
		switch name := filepath.Base(p.path); name {
		case "util", "utils", "common", "helpers", "helper", "types", "pkg", "misc":
			t.Errorf("%s: %s is about nothing", p.path, name)
		}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s: no such thing at the top level", e.Name())
		}
	}
}

// Notes to ourselves, and what only one machine knows, stay out of the repository.
func TestTexts(t *testing.T) {
	marks := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:", "/work" + "/", "/root" + "/", "proxy." + "golang"}
	check := func(path string, text []byte) {
		for i, line := range strings.Split(string(text), "\n") {
			for _, mark := range marks {
				if strings.Contains(line, mark) {
					t.Errorf("%s:%s: %s", path, strconv.Itoa(i+1), mark)
				}
			}
		}
	}
	sources(t, check)
	for _, name := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", ".ci/run", ".golangci.yml"} {
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil {
			check(name, text)
		}
	}
}

var mentioned = regexp.MustCompile("`((?:cmd|alloc|fsck|inspect|internal|prio|superblock|test|packaging|docs)/[A-Za-z0-9_./-]+)")

// What a document says of the house is there: a folder, a file, or a name of a package's.
func TestMentions(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "testdata/images/README.md"} {
		documents = append(documents, filepath.Join(root, name))
	}
	found := 0
	for _, name := range documents {
		text, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, m := range mentioned.FindAllStringSubmatch(string(text), -1) {
			found++
			path := strings.TrimSuffix(m[1], ".")
			if dir, last := filepath.Split(path); strings.Contains(last, ".") && !strings.HasSuffix(last, ".go") {
				if _, err := os.Stat(filepath.Join(root, path)); err == nil {
					continue
				}
				before, _, _ := strings.Cut(last, ".") // package.Name
				path = dir + before
			}
			if strings.Contains(path, "FAMILY") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: %s is not there", name, m[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("%d mentions", found)
	}
}
