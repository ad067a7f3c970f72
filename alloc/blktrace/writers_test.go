// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// readSkipping is readAll with what was passed over.
func readSkipping(t *testing.T, in string, f Format, flushesToo bool) (all []Request, skipped string) {
	t.Helper()
	r, err := NewReader(strings.NewReader(in), f)
	if err != nil {
		t.Fatalf("%.60q: %v", in, err)
	}
	defer r.Close()
	if flushesToo {
		r.KeepFlushes()
	}
	batch := make([]Request, 3)
	for {
		n, err := r.Read(batch)
		all = append(all, batch[:n]...)
		if err == io.EOF {
			return all, SkipText(r.Skipped())
		}
		if err != nil {
			t.Fatalf("%.60q: %v", in, err)
		}
	}
}

// What the writers of a format leave behind is read, and what is passed over is told.
func TestWriters(t *testing.T) {
	fio2, fio3 := "fio version 2 iolog\n", "fio version 3 iolog\n"
	page := fio3 + strings.Repeat("1 f read 0 4096\n", 254)
	page += "12 f read 8192 4"[:4096-len(page)]
	blk := "  8,0 0 1 0.5 9 Q W 8 + 8 [x]\n  8,0 0 2 0.7 9 D W 8 + 8 [x]\n"
	summary := "CPU0 (8,0):\n Reads Queued: 1\n\nTotal (8,0):\n Writes: 1\n\nThroughput (R/W): 0KiB/s\nEvents (8,0): 2 entries\nSkips: 0\n"
	record := string(load(t, "oracleGeneral.bin"))
	for what, test := range map[string]struct {
		format Format
		in     string
		want   int
		says   string
	}{
		"fio, two jobs":           {Detect, fio3 + "1 f add\n1 f read 0 512\n" + fio3 + "1 f add\n2 f read 0 512\n", 2, ""},
		"fio, versions":           {Detect, fio2 + "f read 0 512\n" + fio3 + "2 f read 0 512\n", 2, ""},
		"fio, torn then appended": {Detect, fio3 + "1 f read 0 512\n2 f rea" + fio3 + "1 f read 0 512\n", 2, "1 line cut short (line 3)"},
		"fio, jobs in turns":      {Detect, fio3 + "1 f re" + fio3 + "1 f read 0 512\nad 0 512\n2 f read 0 512\n", 2, "2 lines cut short (first line 2)"},
		"fio, torn":               {Detect, fio3 + "1 f read 0 512\n2 f read 40", 1, "1 line cut short (line 3)"},
		"fio, torn in a number":   {Detect, page, 254, "1 line cut short (line 256)"},
		"fio, empty and sync":     {Detect, fio3 + "1 f read 0 0\n1 f sync 0 0\n1 f datasync 0 0\n2 f trim 0 1\n", 1, "2 flushes, which move no data (first line 3); 1 request of length 0 (line 2)"},
		"msr, empty and torn":     {Detect, "1,a,0,Read,0,0,1\n1,a,0,Read,0,512,1\n2,a,0,Re", 1, "1 request of length 0 (line 1); 1 line cut short (line 3)"},
		"alibaba, headers":        {Detect, "device_id,opcode,offset,length,timestamp\n1,R,0,512,5\ndevice_id,opcode,offset,length,timestamp\n1,R,0,512,5\n", 2, ""},
		"objects, empty and torn": {Detect, record + strings.Repeat("\x00", 10) + "\xff", 5, "1 record cut short (record 6)"},
		"objects, empty":          {OracleGeneral, strings.Repeat("\x00", 24), 0, "1 request of length 0 (record 1)"},
		"blkparse, outputs":       {Detect, blk + summary + blk + summary, 2, ""},
		"blkparse, Q then D only": {Detect, blk + summary + "8,0 0 1 0.1 9 D R 8 + 8 [x]\n8,0 0 1 0.2 9 C R 8 + 8 [0]\n", 2, ""},
		"blkparse, no summary":    {Detect, "8,0 0 1 9.1 9 Q R 8 + 8 [x]\n8,0 0 1 0.1 9 D R 8 + 8 [x]\n8,0 0 1 0.2 9 C R 8 + 8 [0]\n", 2, ""},
		"blkparse, C only":        {Detect, "8,0 0 1 0.1 0 C R 8 + 8 [0]\n8,0 0 1 0.2 0 C RA 8 + 8 [0]\n", 2, ""},
		"blkparse, C before Q":    {Detect, "8,0 0 1 0.1 0 C R 8 + 8 [0]\n" + blk, 1, ""},
		"blkparse, devices":       {Detect, blk + "9,0 0 1 0.8 9 D R 8 + 8 [x]\n9,0 0 1 0.8 9 C R 8 + 8 [x]\n", 2, ""},
		"blkparse, other kinds": {
			Detect, "Input file sda.blktrace.0 added\nInput file sda.blktrace.1 added\nInput file sda.blktrace.2 added\n" + blk +
				"8,0 0 3 0.8 9 Q R 36 (12 00 00 00 24 00 ..) [smartd]\n8,0 0 3 0.8 9 Q R (12 00) [smartd]\n8,0 0 3 0.8 9 Q FN [jbd2]\n8,0 0 3 0.9 9 Q FWS 0 + 0 [jbd2]\n8,0 0 3 0.9 9 Q N 8 + 8 [x]\n" +
				"8,0 0 3 0.9 9 Q W 8 + 0 [x]\nlost 4 events\n8,0 0 3 0.9 9 Q W 16 + 8 [x]\n", 2,
			"2 flushes, which move no data (first line 8); 1 request of length 0 (line 11); 2 pass-through requests (first line 6); 1 command that neither reads nor writes (line 10); 1 line that is no event (line 12)",
		},
		"spc, empty and torn":       {Detect, string(load(t, "spc.csv")) + "1,5,4096,", 4, "1 request of length 0 (line 4); 1 line cut short (line 6)"},
		"systor, empty and torn":    {Detect, string(load(t, "systor.csv")) + "1455592201.", 3, "1 request of length 0 (line 5); 1 line cut short (line 6)"},
		"fiu, empty and torn":       {Detect, string(load(t, "fiu.txt")) + "32913121", 3, "1 request of length 0 (line 4); 1 line cut short (line 5)"},
		"csv, flush and torn":       {Detect, string(load(t, "named.csv")) + "1900;a;R;40", 3, "1 flush, which moves no data (line 5); 1 request of length 0 (line 6); 1 line cut short (line 7)"},
		"vscsi 1, commands":         {Detect, string(load(t, "vscsi1.bin")) + "torn", 3, "1 flush, which moves no data (record 3); 1 command that neither reads nor writes (record 4); 1 record cut short (record 6)"},
		"vscsi 2, commands":         {Detect, string(load(t, "vscsi2.bin")), 3, "1 command that neither reads nor writes (record 3)"},
		"lcs, empty and torn":       {Detect, string(load(t, "lcs-v2.bin")) + "torn", 4, "1 request of length 0 (record 5); 1 record cut short (record 6)"},
		"blkparse, torn":            {Detect, blk + "8,0 0 3 0.9 9 Q W 16 +", 1, "1 line cut short (line 3)"},
		"blkparse, torn and behind": {Detect, blk + "8,0 0 3 0.9 9 Q W 1" + blk, 2, "1 line cut short (line 3)"},
		"blkparse, torn in a count": {Detect, blk + "8,0 0 3 0.9 9 Q W 16 + 1" + blk, 2, "1 line cut short (line 3)"},
	} {
		got, says := readSkipping(t, test.in, test.format, false)
		if len(got) != test.want || says != test.says {
			t.Errorf("%s: %d requests, want %d; skipped %q, want %q", what, len(got), test.want, says, test.says)
		}
	}
}

// Each part of a trace goes on where the one before ends.
func TestClockGoesOn(t *testing.T) {
	fio := "fio version 3 iolog\n5 f read 0 512\n9 f read 0 512\n"
	got, _ := readSkipping(t, fio+fio, Detect, false)
	var times []uint64
	for _, q := range got {
		times = append(times, q.Time)
	}
	if want := []uint64{5, 9, 14, 18}; len(times) != 4 || times[0] != want[0] || times[1] != want[1] || times[2] != want[2] || times[3] != want[3] {
		t.Errorf("%v, want %v", times, want)
	}
}

// Flushes are handed out to whoever wants them.
func TestFlushes(t *testing.T) {
	in := "8,0 0 1 0.5 9 Q FN [jbd2]\n8,0 0 2 0.7 9 Q FWFS 8 + 8 [x]\n"
	got, skipped := readSkipping(t, in, Detect, true)
	if text(got) != "0 flush 0 0 0 task 9 preflush\n200000 write 0 8 8 task 9 sync fua preflush\n" || skipped != "" {
		t.Errorf("%s%s", text(got), skipped)
	}
}

// No two objects share a sector, whatever their sizes, and those of blocks stay side by side.
func TestObjectsApart(t *testing.T) {
	type place struct{ from, to uint64 }
	seen := map[place]bool{}
	var all []place
	for _, size := range []uint64{1, 4096, 4097, 65536, 1 << 20, 1<<20 + 1, 64 << 20, 1 << 32} {
		for _, id := range []uint64{0, 1, 2, 1000, 1 << 23, 1<<24 + 1} {
			var q Request
			if err := q.objectAt(id, size); err != nil {
				t.Fatal(err)
			}
			p := place{q.Sector, q.Sector + uint64(q.Sectors)}
			if p.to > MaxSector || (p.to-p.from-1)*sectorBytes >= size {
				t.Errorf("object %d of %d bytes: sectors %d to %d", id, size, p.from, p.to)
			}
			for _, o := range all {
				if p.from < o.to && o.from < p.to && p.from != o.from { // the same object, larger
					t.Errorf("sectors %v and %v", p, o)
				}
			}
			seen[p], all = true, append(all, p)
		}
	}
	var a, b Request
	if a.objectAt(7, 4096) != nil || b.objectAt(8, 4096) != nil || b.Sector != a.Sector+8 {
		t.Errorf("blocks 7 and 8 at %d and %d", a.Sector, b.Sector)
	}
	if a.objectAt(7, 1<<32+1) == nil || a.objectAt(7, 0) != errEmpty {
		t.Error("an object without bounds was placed")
	}
}

// Several sources are one trace; volumes of one name are one; what is wrong names its source.
func TestJoin(t *testing.T) {
	source := func(name, text string) Source {
		return Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	}
	fio := "fio version 3 iolog\n5 f read 0 512\n9 g read 0 512\n"
	blk := "8,0 0 1 9.0 7 Q R 8 + 8 [x]\n"
	r, err := Join(Spec{}, source("a", fio), source("b", blk), source("c", "fio version 3 iolog\n1 g read 0 512\n1 g sync 0 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := drain(r)
	if want := "5 read 0 0 1 task 1\n9 read 1 0 1 task 1\n9 read 2 8 8 task 7\n10 read 1 0 1 task 1\n"; err != nil || text(all) != want {
		t.Errorf("%v, read\n%swant\n%s", err, text(all), want)
	}
	if got := SkipText(r.Skipped()); got != "1 flush, which moves no data (c: line 3)" {
		t.Error(got)
	}
	if r, err = Join(Spec{}, source("a", fio), source("b", "1,a,0,Fly,0,1,1\n")); err != nil {
		t.Fatal(err)
	}
	if _, err = drain(r); !errors.Is(err, ErrFormat) || !strings.HasPrefix(err.Error(), "b: ") {
		t.Errorf("%v", err)
	}
	if r, err = Join(Spec{Format: MSR}, source("a", "1,a,0,Read,0,1,1\n"), source("b", "1,a,0,Fly,0,1,1\n")); err != nil {
		t.Fatal(err)
	}
	var located *Error
	if _, err = drain(r); !errors.As(err, &located) || !strings.HasPrefix(err.Error(), "b: line 1: type") {
		t.Errorf("%v", err)
	}
	if _, err = Join(Spec{}); err == nil {
		t.Error("no source is a trace")
	}
}

func drain(r *Reader) (all []Request, err error) {
	defer r.Close()
	batch := make([]Request, 3)
	for {
		n, err := r.Read(batch)
		all = append(all, batch[:n]...)
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return all, err
		}
	}
}

// A closed source is closed once it has been read, and by Close.
func TestSourcesAreClosed(t *testing.T) {
	open := 0
	source := Source{Open: func() (io.ReadCloser, error) {
		open++
		return closing{bytes.NewReader(load(t, "oracleGeneral.bin.zst")), &open}, nil
	}}
	r, err := Join(Spec{}, source, source)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := drain(r); err != nil || len(all) != 10 || open != 0 {
		t.Errorf("%v, %d requests, %d open", err, len(all), open)
	}
	if r, err = Join(Spec{}, source, source); err != nil || open != 1 {
		t.Fatalf("%v, %d open", err, open)
	}
	if r.Close(); open != 0 {
		t.Errorf("%d open", open)
	}
}

type closing struct {
	io.Reader
	open *int
}

func (c closing) Close() error { *c.open--; return nil }

// Columns are told by number or name, as libCacheSim's are.
func TestColumns(t *testing.T) {
	for _, test := range []struct{ spec, in, want string }{
		{"csv:time-col=1,obj-id-col=2,obj-size-col=3,delimiter=,,has-header=false", "1,7,4096\n3,8,4096\n", "0 read 0 56 8\n2000000 read 0 64 8\n"},
		{"csv:time-col=t,offset-col=at,size-col=n,delimiter=;,time-unit=ns", "t;at;n\n1000;512;1\n5000;0;1\n", "0 read 0 1 1\n4 read 0 0 1\n"},
		{"csv:sector-col=2,sectors-col=1,delimiter=\\t,op-col=3", "8\t16\tw\n", "0 write 0 16 8\n"},
		{"csv", "ts lba count rw\n1700000000000 1 2 0\n1700000000500 1 2 1\n", "0 read 0 1 2\n500000 write 0 1 2\n"},
		{"csv", "\xef\xbb\xbftime,lba,size\r\n1.5,1,512\r\n2.25,1,513\r\n", "0 read 0 1 1\n750000 read 0 1 2\n"},
		{"csv", "time,offset,size,task\n1,0,1,7\n1,0,1,a b\n", "0 read 0 0 1 task 7\n0 read 0 0 1 task 75708563\n"},
	} {
		spec, err := ParseSpec(test.spec)
		if err != nil {
			t.Errorf("%s: %v", test.spec, err)
			continue
		}
		r, err := Join(spec, Source{Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(test.in)), nil }})
		if err != nil {
			t.Errorf("%s: %v", test.spec, err)
			continue
		}
		if all, err := drain(r); err != nil || text(all) != test.want {
			t.Errorf("%s: %v, read\n%swant\n%s", test.spec, err, text(all), test.want)
		}
	}
	for spec, says := range map[string]string{
		"cvs": "want one of", "msr:a=1": "only csv", "csv:time-col": "time-col=", "csv:delimiter=ab": "one character",
		"csv:has-header=maybe": "true or false", "csv:time-unit=h": "want s", "csv:colour=red": "colour=red",
	} {
		if _, err := ParseSpec(spec); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", spec, err, says)
		}
	}
	for in, says := range map[string]string{
		"time,offset\n1,2\n": "no column is the size", "time,size\n1,2\n": "no column is the offset", "x\n": "no columns",
		"1,2,3\n": "no column is the offset",
	} {
		if _, err := NewReader(strings.NewReader(in), CSV); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %s", in, err, says)
		}
	}
	for in, says := range map[string]string{
		"time,offset,size\n1,x,2\n": `line 2: offset "x"`, "time,offset,size\n1,2,y\n": `line 2: size "y"`, "time,offset,size\nz,1,2\n": `line 2: time "z"`,
		"time,offset,size,op\n1,2,3,fly\n": `line 2: operation "fly"`,
	} {
		r, err := NewReader(strings.NewReader(in), CSV)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if _, err := drain(r); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %s", in, err, says)
		}
	}
}

// Whether a trace tells times and tasks.
func TestTells(t *testing.T) {
	for in, want := range map[string][2]bool{
		"fio version 2 iolog\nf read 0 1\n": {true, false}, "fio version 2 iolog\nf read 0 1\nf wait 3\n": {true, true},
		"fio version 3 iolog\n1 f read 0 1\n": {true, true}, string(load(t, "fiu.txt")): {true, true}, string(load(t, "msr.csv")): {false, true},
		string(load(t, "named.csv")): {true, true}, string(load(t, "named-objects.csv")): {false, true},
	} {
		r, err := NewReader(strings.NewReader(in), Detect)
		if err != nil || r.Tasks() != want[0] || r.Timed() != want[1] {
			t.Errorf("%.40q: %v, tasks %v, times %v", in, err, r.Tasks(), r.Timed())
		}
	}
}

// An empty file is said to be empty.
func TestEmpty(t *testing.T) {
	if _, err := NewReader(strings.NewReader(""), Detect); !errors.Is(err, ErrFormat) || !strings.HasSuffix(err.Error(), ": it is empty") {
		t.Error(err)
	}
}
