// SPDX-License-Identifier: GPL-2.0-only

package finding

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
)

// someKey covers sectors 100 to 108 of inode 3, dirty, at sector 9000 of the cache.
func someKey() ondisk.Bkey {
	k := ondisk.MakeKey(3, 108, 8)
	k.SetPtrs(1)
	k.SetDirty(true)
	k.Ptr[0] = ondisk.MakePtr(0, 9000, 2)
	return k
}

func subjects() map[string]struct {
	s             Subject
	message, json string
} {
	k, b := someKey(), ondisk.Bucket(7)
	short := ondisk.MakeKey(3, 8, 16)
	key := `"inode":3,"offset":100,"sectors":8,"dirty":true,"key":"` + k.String() + `"`
	return map[string]struct {
		s             Subject
		message, json string
	}{
		"Super":        {Super{}, "superblock: at 5", `{"sector":8,"subject":{"kind":"superblock","backing":false}}`},
		"Super, other": {Super{"b.img", true}, "backing superblock: at 5", `{"device":"b.img","sector":8,"subject":{"kind":"superblock","device":"b.img","backing":true}}`},
		"Node":         {Node{Bucket: 7, Sector: 9000, Level: 1}, "btree node at bucket 7, level 1: at 5", `{"bucket":7,"sector":9000,"subject":{"kind":"node","bucket":7,"sector":9000,"level":1}}`},
		"Node, key":    {Node{7, 9000, 1, &k}, "btree node at bucket 7, level 1: at 5", `{"bucket":7,"sector":9000,"subject":{"kind":"node","bucket":7,"sector":9000,"level":1,"key":{` + key + `}}}`},
		"Bset":         {Bset{Node{Bucket: 7, Sector: 9000}, 2, 16}, "btree node at bucket 7, block 2, level 0: at 5", `{"bucket":7,"sector":9016,"subject":{"kind":"bset","bucket":7,"sector":9000,"level":0,"block":2}}`},
		"Ring":         {Ring{7, 9000}, "journal: at 5", `{"bucket":7,"sector":9000,"subject":{"kind":"journal","bucket":7,"sector":9000}}`},
		"JournalBlock": {JournalBlock{7, 16, 9000, 182}, "journal bucket 7, sector 16: at 5", `{"bucket":7,"sector":9000,"subject":{"kind":"journal block","bucket":7,"offset":16,"sector":9000,"seq":182}}`},
		"JournalEntry": {JournalEntry{182, 7, 9000}, "journal entry 182: at 5", `{"bucket":7,"sector":9000,"subject":{"kind":"journal entry","seq":182,"bucket":7,"sector":9000}}`},
		"JournalKey":   {JournalKey{182, k}, "journal entry 182: key " + k.String() + ": at 5", `{"inode":3,"offset_sectors":100,"sectors":8,"subject":{"kind":"journal key","seq":182,` + key + `}}`},
		// Once 0 minus 8 sectors wrapped around.
		"JournalKey, short": {JournalKey{1, short}, "journal entry 1: key " + short.String() + ": at 5", `{"inode":3,"offset_sectors":0,"sectors":16,"subject":{"kind":"journal key","seq":1,"inode":3,"offset":0,"sectors":16,"dirty":false,"key":"` + short.String() + `"}}`},
		"PrioLink":          {PrioLink{1, 7}, "prio set 1, bucket 7: at 5", `{"bucket":7,"subject":{"kind":"prio set","set":1,"bucket":7}}`},
		"PrioLink, before":  {PrioLink{-1, 7}, "prio set before, bucket 7: at 5", `{"bucket":7,"subject":{"kind":"prio set","set":-1,"bucket":7}}`},
		"Bucket":            {Bucket{Bucket: 7}, "bucket 7: at 5", `{"bucket":7,"subject":{"kind":"bucket","bucket":7}}`},
		"Bucket, named":     {Bucket{7, "uuid bucket"}, "uuid bucket 7: at 5", `{"bucket":7,"subject":{"kind":"bucket","bucket":7}}`},
		"Slot":              {Slot{3}, "uuid slot 3: at 5", `{"inode":3,"subject":{"kind":"uuid slot","slot":3}}`},
		"Volume":            {Volume{3}, "volume 3: at 5", `{"inode":3,"subject":{"kind":"volume","inode":3}}`},
		"Extent":            {Extent{k, &b, 0}, "extent " + k.String() + ": at 5", `{"bucket":7,"sector":9000,"inode":3,"offset_sectors":100,"sectors":8,"subject":{"kind":"extent",` + key + `,"bucket":7}}`},
		"Extent, nowhere":   {Extent{Key: k}, "extent " + k.String() + ": at 5", `{"inode":3,"offset_sectors":100,"sectors":8,"subject":{"kind":"extent",` + key + `}}`},
		"Backing":           {Backing{"b.img"}, "b.img: at 5", `{"device":"b.img","subject":{"kind":"backing device","device":"b.img"}}`},
		"Bytes":             {Bytes{Offset: 1080}, "at 5", `{"sector":2,"subject":{"kind":"bytes","offset":1080}}`},
		"Bytes, other":      {Bytes{"b.img", 0}, "at 5", `{"device":"b.img","sector":0,"subject":{"kind":"bytes","device":"b.img","offset":0}}`},
	}
}

// Message, place and JSON come from the subject.
func TestSubjects(t *testing.T) {
	for name, c := range subjects() {
		f := About(c.s, EXCross, "at %d", 5)
		if f.Message != c.message || f.Code != EXCross || f.Severity != Damage || f.Subject != c.s {
			t.Errorf("%s: %+v, want %q", name, f, c.message)
		}
		if w := New(EXCross, "at %d", 5).With(c.s); w.Message != "at 5" {
			t.Errorf("%s: With changed the message to %q", name, w.Message)
		}
		got, err := json.Marshal(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := json.Marshal(f.Message)
		if err != nil {
			t.Fatal(err)
		}
		if full := `{"code":"EX03","severity":"damage","message":` + string(want) + "," + strings.ReplaceAll(c.json[1:], ">", `\u003e`); string(got) != full {
			t.Errorf("%s:\n got %s\nwant %s", name, got, full)
		}
	}
}

// Every type of subject has a case of its name.
func TestSubjectsHaveCases(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "subject.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	cases, n := subjects(), 0
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.TypeSpec); ok && spec.Name.Name != "Subject" {
			n++
			if _, ok := cases[spec.Name.Name]; !ok {
				t.Errorf("no case for %s", spec.Name.Name)
			}
		}
		return true
	})
	if n < 10 {
		t.Errorf("%d types of subjects", n)
	}
}
