// SPDX-License-Identifier: GPL-2.0-only

package finding

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bctl/internal/bcache/ondisk"
)

// letters of the codes, in the order of the table's parts.
var letters = []string{"SB", "JR", "PR", "GN", "UU", "BT", "EX", "SP", "BD"}

var form = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}$`)

func TestTable(t *testing.T) {
	table := Table()
	if len(table) != len(letters) {
		t.Fatalf("%d parts, want %d", len(table), len(letters))
	}
	seen := map[Code]bool{}
	for i, part := range table {
		last := Code("")
		for _, r := range part {
			switch {
			case !form.MatchString(string(r.Code)) || string(r.Code[:2]) != letters[i]:
				t.Errorf("%s: not %s and two digits", r.Code, letters[i])
			case seen[r.Code]:
				t.Errorf("%s stands twice", r.Code)
			case r.Code <= last:
				t.Errorf("%s stands behind %s", r.Code, last)
			}
			seen[r.Code], last = true, r.Code
			if r.Severity != Note && r.Severity != Warning && r.Severity != Damage {
				t.Errorf("%s: severity %q", r.Code, r.Severity)
			}
			if r.Title == "" || r.Help == "" || r.Invariants == "" || r.Cost == "" || r.Advice == "" {
				t.Errorf("%s: something is empty", r.Code)
			}
			if strings.HasSuffix(r.Title+r.Cost, ".") || !strings.HasSuffix(r.Help, ".") || !strings.HasSuffix(r.Advice, ".") {
				t.Errorf("%s: titles and costs have no full stop, help and advice have one", r.Code)
			}
			if Lookup(r.Code) != r {
				t.Errorf("%s: Lookup finds another row", r.Code)
			}
		}
	}
}

// constants reads the Code constants out of the source: name to value.
func constants(t *testing.T) map[string]Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "table.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Code{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			return true
		}
		for i, name := range spec.Names {
			lit, ok := spec.Values[i].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is no literal", name)
			}
			v, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out[name.Name] = Code(v)
		}
		return true
	})
	return out
}

// Every constant has a row, every row a constant, and no two constants one code.
func TestEveryConstantHasARow(t *testing.T) {
	rows := map[Code]bool{}
	for _, part := range Table() {
		for _, r := range part {
			rows[r.Code] = true
		}
	}
	names := map[Code]string{}
	for name, code := range constants(t) {
		if names[code] != "" {
			t.Errorf("%s and %s are both %s", name, names[code], code)
		}
		names[code] = name
		if !rows[code] {
			t.Errorf("%s (%s) has no row", name, code)
		}
		if !strings.HasPrefix(name, string(code[:2])) {
			t.Errorf("%s is %s", name, code)
		}
	}
	if len(names) != len(rows) || len(names) < 100 {
		t.Errorf("%d constants, %d rows", len(names), len(rows))
	}
}

// The invariants are numbered without gaps, and what a row says it stands for exists.
func TestInvariants(t *testing.T) {
	ids := map[string]bool{}
	for _, i := range Invariants() {
		if ids[i.ID] || i.Text == "" {
			t.Errorf("%s stands twice, or says nothing", i.ID)
		}
		ids[i.ID] = true
	}
	for prefix, n := range map[string]int{"K": 76, "U": 74} {
		for i := range n {
			if id := prefix + strconv.Itoa(i+1); !ids[id] {
				t.Errorf("no %s", id)
			}
		}
	}
	if len(ids) != 150 {
		t.Errorf("%d invariants, want 150", len(ids))
	}
	for _, part := range Table() {
		for _, r := range part {
			for _, id := range strings.Fields(r.Invariants) {
				if !ids[id] {
					t.Errorf("%s stands for %s, which there is not", r.Code, id)
				}
				if !slices.Contains(CodesFor(id), r.Code) {
					t.Errorf("CodesFor(%s) leaves out %s", id, r.Code)
				}
			}
		}
	}
}

func TestUnknownCode(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a code without a row was found")
		}
	}()
	Lookup("ZZ99")
}

// some are n findings that differ in every field they can be ordered by.
func some(n int) (out []Finding) {
	rnd := rand.New(rand.NewPCG(15, 16))
	for i := range n {
		f := New([]Code{BTOrder, SBGrown, EXCross, JRTorn}[rnd.IntN(4)], "number %d", i)
		if rnd.IntN(3) > 0 {
			f.Bucket = ptr(ondisk.Bucket(rnd.IntN(3)))
		}
		if rnd.IntN(3) > 0 {
			f.Sector = ptr(ondisk.Sector(rnd.IntN(3)))
		}
		if rnd.IntN(3) > 0 {
			f.Inode, f.OffsetSectors = ptr(uint32(rnd.IntN(3))), ptr(ondisk.Sector(rnd.IntN(3)))
		}
		out = append(out, f)
	}
	return out
}

func texts(fs []Finding) (out []string) {
	for _, f := range fs {
		out = append(out, string(f.Code)+" "+f.Message)
	}
	return out
}

// Whoever comes first, the findings are the same, in the order of the table and of the places.
func TestOrderIsDeterministic(t *testing.T) {
	all := some(500)
	var want []string
	for round := range 20 {
		var c Collector
		var wg sync.WaitGroup
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for i := range 4 {
			wg.Go(func() {
				for k := i; k < len(all); k += 4 {
					c.Add(all[k])
				}
			})
		}
		wg.Wait()
		found := c.Findings()
		if got := texts(found); round == 0 {
			want = got
		} else if !slices.Equal(got, want) {
			t.Fatalf("round %d differs", round)
		}
		if !slices.IsSortedFunc(found, func(a, b Finding) int {
			return cmp.Compare(slices.Index(letters, string(a.Code[:2])), slices.Index(letters, string(b.Code[:2])))
		}) {
			t.Fatal("not in the table's order")
		}
	}
	if len(want) != len(all) {
		t.Errorf("%d findings of %d", len(want), len(all))
	}
}

// A code found too often keeps the first places, whoever reports them first, and counts the rest.
func TestOverflow(t *testing.T) {
	const extra = 15000
	numbers := rand.New(rand.NewPCG(17, 18)).Perm(keep + extra)
	var c Collector
	c.Add(New(SBGrown, "once"))
	for _, i := range numbers {
		c.Add(New(BTOrder, "place %d", i).With(Bucket{Bucket: ondisk.Bucket(i)}))
	}
	for i := range keep { // just as many as are kept
		c.Add(New(EXCross, "place %d", i).With(Bucket{Bucket: ondisk.Bucket(i)}))
	}
	found := c.Findings()
	if len(found) != 1+keep+1+keep {
		t.Fatalf("%d findings, want %d", len(found), 1+keep+1+keep)
	}
	for i := range keep {
		if f := found[1+i]; f.Code != BTOrder || *f.Bucket != uint64(i) {
			t.Fatalf("finding %d is %s %s", i, f.Code, f.Message)
		}
	}
	if more := found[1+keep]; more.Code != BTOrder || more.Severity != Damage || more.Message != fmt.Sprintf("... and %d more of these", extra) {
		t.Errorf("%+v", more)
	}
	if last := found[len(found)-1]; last.Code != EXCross || *last.Bucket != keep-1 {
		t.Errorf("%+v", last)
	}
	if d, w, n := c.Count(Damage), c.Count(Warning), c.Count(Note); d != 2*keep+extra || w != 1 || n != 0 || !c.Damaged() {
		t.Errorf("%d, %d, %d", d, w, n)
	}
	if again := c.Findings(); !slices.Equal(texts(again), texts(found)) {
		t.Error("asked again, it says something else")
	}
}

func TestEmptyCollector(t *testing.T) {
	var c Collector
	if len(c.Findings()) != 0 || c.Damaged() || c.Count(Note) != 0 {
		t.Error("something was found")
	}
	c.Add(New(JRTorn, "x"))
	if c.Damaged() {
		t.Error("a warning is no damage")
	}
}
