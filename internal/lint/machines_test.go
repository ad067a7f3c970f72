// SPDX-License-Identifier: GPL-2.0-only

package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// machines are what a release has a binary for, and 386, which stands for all with 32 bits: there the tests are looked
// at too. What this test runs on is compiled anyway.
var machines = []string{"386", "amd64", "arm64", "ppc64le", "riscv64", "s390x"}

// TestMachines reads bctl, and all that it is made of, with the types that each machine has. To compile it all for each
// takes ten times as long, and finds no more: that is done for a release.
func TestMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("reads the standard library once for each kind of machine")
	}
	c := checker{files: token.NewFileSet(), parsed: map[string]*ast.File{}}
	for _, arch := range machines {
		if arch == runtime.GOARCH {
			continue
		}
		what := []string{"./cmd/bctl"}
		if arch == "386" {
			what = []string{"-test", "./..."}
		}
		n, err := c.check(arch, what)
		if err != nil {
			t.Errorf("%s: %v", arch, err)
		}
		if n < 100 {
			t.Errorf("%s: %d packages", arch, n)
		}
	}
}

// What is wrong on one machine alone is found: a number that only fits into 64 bits.
func TestMachineErrors(t *testing.T) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "x.go", "package x\nvar x int = 1 << 40\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	for arch, fits := range map[string]bool{"386": false, "s390x": true} {
		c := types.Config{Sizes: types.SizesFor("gc", arch)}
		if _, err := c.Check("x", files, []*ast.File{file}, nil); (err == nil) != fits {
			t.Errorf("%s: %v", arch, err)
		}
	}
}

// A checker types packages from their sources. Files are parsed once for all machines.
type checker struct {
	files  *token.FileSet
	parsed map[string]*ast.File
}

// A listed package is what `go list -json` says of one.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Standard   bool
	ImportMap  map[string]string
	Error      *struct{ Err string }
}

// check types packages and all that they import, and returns how many there were.
func (c *checker) check(arch string, what []string) (n int, err error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Dir,GoFiles,Standard,ImportMap,Error"}, what...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := map[string]*types.Package{"unsafe": types.Unsafe}
	for d := json.NewDecoder(out); ; n++ { // what is imported comes before who imports it
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return n, errors.Join(err, cmd.Wait())
		}
		if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") {
			continue // go test writes the latter
		}
		if err := c.one(arch, &p, done); err != nil {
			return n, errors.Join(fmt.Errorf("%s: %w", p.ImportPath, err), cmd.Process.Kill(), cmd.Wait())
		}
	}
	return n, cmd.Wait()
}

// one types a package; the standard library's functions are taken as they are.
func (c *checker) one(arch string, p *listed, done map[string]*types.Package) error {
	if p.Error != nil {
		return errors.New(p.Error.Err)
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		file := c.parsed[name]
		if file == nil {
			var err error
			if file, err = parser.ParseFile(c.files, name, nil, parser.SkipObjectResolution); err != nil {
				return err
			}
			c.parsed[name] = file
		}
		files = append(files, file)
	}
	conf := types.Config{Sizes: types.SizesFor("gc", arch), IgnoreFuncBodies: p.Standard, Importer: imported{p.ImportMap, done}}
	path, _, _ := strings.Cut(p.ImportPath, " ") // a package with its tests: "bctl/fsck [bctl/fsck.test]"
	pkg, err := conf.Check(path, c.files, files, nil)
	done[p.ImportPath] = pkg
	return err
}

// imported finds what a package imports among those that are done.
type imported struct {
	as   map[string]string
	done map[string]*types.Package
}

func (i imported) Import(path string) (*types.Package, error) {
	if as, ok := i.as[path]; ok {
		path = as
	}
	if p := i.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s was not listed", path)
}
