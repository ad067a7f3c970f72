// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

var update = flag.Bool("update", false, "write the .want files anew")

const golden = "../../testdata/traces"

var goldens = map[string]Format{
	"fio-v2.log": Fio, "tracepoints.txt": Tracepoints, "tracepoints-perf.txt": Tracepoints, "tracepoints-tasks.txt": Tracepoints,
	"fio-v3.log": Fio, "blkparse.txt": Blkparse, "msr.csv": MSR, "alibaba.csv": Alibaba,
	"tencent.csv": Tencent, "oracleGeneral.bin": OracleGeneral, "oracleGeneral.bin.zst": OracleGeneral,
	"spc.csv": SPC, "systor.csv": SYSTOR, "fiu.txt": FIU, "vscsi1.bin": Vscsi, "vscsi2.bin": Vscsi,
	"lcs-v2.bin": LCS, "lcs-v3.bin.zst": LCS, "named.csv": CSV, "named-objects.csv": CSV,
}

// readAll reads with a batch size that is no divisor of anything.
func readAll(src io.Reader, f Format) (all []Request, got Format, err error) {
	r, err := NewReader(src, f)
	if err != nil {
		return nil, Detect, err
	}
	defer r.Close()
	batch := make([]Request, 3)
	for {
		n, err := r.Read(batch)
		all = append(all, batch[:n]...)
		if err == io.EOF {
			return all, r.Format(), nil
		}
		if err != nil {
			return all, r.Format(), err
		}
	}
}

func text(requests []Request) string {
	var b strings.Builder
	for _, q := range requests {
		fmt.Fprintf(&b, "%d %s %d %d %d", q.Time, [...]string{"read", "write", "trim", "flush"}[q.Op], q.Volume, q.Sector, q.Sectors)
		if q.Task != 0 {
			fmt.Fprintf(&b, " task %d", q.Task)
		}
		for i, name := range []string{"readahead", "meta", "sync", "fua", "preflush"} {
			if q.Flags>>i&1 != 0 {
				b.WriteString(" " + name)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	for name, format := range goldens {
		b := load(t, name)
		all, got, err := readAll(bytes.NewReader(b), Detect)
		if err != nil || got != format {
			t.Errorf("%s: found to be %v, %v", name, got, err)
		}
		path := filepath.Join(golden, strings.TrimSuffix(name, ".zst")+".want")
		if *update {
			if err := os.WriteFile(path, []byte(text(all)), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || text(all) != string(want) {
			t.Errorf("%s: %v, read\n%swant\n%s", name, err, text(all), want)
		}
		// A source that trickles gives the same, and so does a format that is given.
		slow, _, err := readAll(iotest.OneByteReader(bytes.NewReader(b)), format)
		if err != nil || !slices.Equal(slow, all) {
			t.Errorf("%s, byte by byte: %v, %d requests of %d", name, err, len(slow), len(all))
		}
	}
}

// All formats may be compressed, and a last line needs no end; lines may end as on Windows.
func TestWrappings(t *testing.T) {
	for name := range goldens {
		b := load(t, name)
		all, _, err := readAll(bytes.NewReader(b), Detect)
		if err != nil {
			t.Fatal(err)
		}
		var z, g bytes.Buffer
		zw, err := zstd.NewWriter(&z)
		if err != nil {
			t.Fatal(err)
		}
		gw := gzip.NewWriter(&g)
		for _, w := range []io.WriteCloser{zw, gw} {
			if _, err := w.Write(b); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		variants := map[string][]byte{"zstd": z.Bytes(), "gzip": g.Bytes()}
		if strings.HasSuffix(name, ".zst") {
			variants = nil // no trace is compressed twice
		} else if !strings.HasSuffix(name, ".bin") {
			variants["no last end"] = bytes.TrimSuffix(b, []byte("\n"))
			variants["CR LF"] = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
		}
		for what, v := range variants {
			if again, _, err := readAll(bytes.NewReader(v), Detect); err != nil || !slices.Equal(again, all) {
				t.Errorf("%s, %s: %v, %d requests of %d", name, what, err, len(again), len(all))
			}
		}
	}
}

// Headers that the published traces come with.
func TestHeaders(t *testing.T) {
	for header, name := range map[string]string{
		"Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime": "msr.csv",
		"device_id,opcode,offset,length,timestamp":                    "alibaba.csv",
		"Timestamp,Offset,Size,IOType,VolumeID":                       "tencent.csv",
	} {
		want, _, err := readAll(bytes.NewReader(load(t, name)), Detect)
		if err != nil {
			t.Fatal(err)
		}
		got, format, err := readAll(io.MultiReader(strings.NewReader(header+"\n"), bytes.NewReader(load(t, name))), Detect)
		if err != nil || format != goldens[name] || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, %d requests of %d", name, format, err, len(got), len(want))
		}
	}
}

// A trace without Q lines is read at D, one without those at C.
func TestBlkparseActions(t *testing.T) {
	lines := "8,0 0 1 0.0 1 D W 8 + 8 [x]\n8,0 0 2 0.1 1 C W 8 + 8 [0]\n8,0 0 3 0.2 1 C R 16 + 8 [0]\n"
	for _, test := range []struct {
		in   string
		want int
	}{
		{lines, 1}, {strings.ReplaceAll(lines, " D ", " I "), 2}, {strings.ReplaceAll(lines, " D ", " Q "), 1},
	} {
		if got, _, err := readAll(strings.NewReader(test.in), Detect); err != nil || len(got) != test.want {
			t.Errorf("%q: %v, %d requests, want %d", test.in, err, len(got), test.want)
		}
	}
}

// What is wrong is named, with its line or record.
func TestErrors(t *testing.T) {
	fio2, fio3 := "fio version 2 iolog\n", "fio version 3 iolog\n"
	record := load(t, "oracleGeneral.bin")
	for _, test := range []struct {
		format Format
		in     string
		says   string
	}{
		{Detect, fio2 + "a add\na read x 4096\n", `line 3: offset "x": not a number`},
		{Detect, fio2 + "a read 0\n", "line 2: read: want an offset and a length"},
		{Detect, fio2 + "a fly 0 1\n", `line 2: action "fly"`},
		{Detect, fio2 + "a\n", "line 2: too few columns"},
		{Detect, fio2 + "a wait x\n", `line 2: wait "x"`},
		{Detect, fio2 + "a read 18446744073709551615 2\n", "line 2: offset 18446744073709551615 and length 2: past"},
		{Detect, fio2 + "a read 18446744073709551616 2\n", "not a number"},
		{Detect, fio2 + "a read 0 5000000000\n", "line 2: length of 9765625 sectors"},
		{Detect, fio3 + "a read 0 4096\n", `line 2: timestamp "a"`},
		{Detect, fio3 + "1 a wait 5\n", "line 2: wait: there is none in version 3"},
		{Detect, "fio version 1 iolog\n", "line 1: \"fio version 1 iolog\""},
		{Blkparse, "8,0 0 1 0.0 1 Q W x + 8 [x]\n", `line 1: offset "x"`},
		{Blkparse, "8,0 0 1 zero 1 Q W 1 + 8 [x]\n", `line 1: time "zero"`},
		{Blkparse, "8,0 0 1 0.0 1 Q W 8 8 [x]\n", "line 1: W: want SECTOR + COUNT"},
		{Blkparse, "rubbish\n", `line 1: "rubbish": want a device`},
		{Blkparse, "8,0 0 1\n", "line 1: too few columns"},
		{MSR, "1,a,0,Read,0,4096,1\n1,a,0,Fly,0,4096,1\n", `line 2: type "Fly"`},
		{MSR, "1,a,0,Read,0\n", "line 1: 5 columns, want 7"},
		{Alibaba, "1,X,0,4096,1\n", `line 1: opcode "X"`},
		{Alibaba, "1,R,0,-4096,1\n", `line 1: length "-4096"`},
		{Tencent, "1,0,8,2,1\n", `line 1: type "2"`},
		{Tencent, "x,0,8,1,1\n", `line 1: time "x"`},
		{Detect, "hello\nworld\n", "no known trace format"},
		{Detect, "", "no known trace format"},
		{Detect, string(record[:24]) + "abc", "no known trace format"},
		{MSR, strings.Repeat("x", bufBytes+1), "line 1: line too long"},
	} {
		_, _, err := readAll(strings.NewReader(test.in), test.format)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%.60q: %v, want %s", test.in, err, test.says)
		}
	}
}

// An error of the source is handed on as it is, and a damaged archive is one.
func TestSourceErrors(t *testing.T) {
	broken := errors.New("broken")
	b := load(t, "msr.csv")
	if _, _, err := readAll(io.MultiReader(bytes.NewReader(b), iotest.ErrReader(broken)), Detect); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	z := bytes.Clone(load(t, "oracleGeneral.bin.zst"))
	if _, _, err := readAll(bytes.NewReader(z[:len(z)-8]), Detect); err == nil {
		t.Error("an archive cut short was read")
	}
}

// FuzzReader: any bytes give requests within bounds, or an error, as each format and as whatever they look like.
func FuzzReader(f *testing.F) {
	for name := range goldens {
		f.Add(load(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for format := Detect; format < formats; format++ {
			all, _, err := readAll(bytes.NewReader(b), format)
			for _, q := range all {
				if q.Sectors == 0 && q.Op != Flush || q.Sector+uint64(q.Sectors) > MaxSector || q.Volume >= MaxVolumes || q.Op > Flush {
					t.Fatalf("%v: %+v", format, q)
				}
			}
			var located *Error
			if errors.As(err, &located) && (located.Record < 1 || located.Msg == "") {
				t.Fatalf("%v: %+v", format, located)
			}
		}
	})
}

// FuzzSpec: any description of columns, on any lines, gives requests within bounds, or an error.
func FuzzSpec(f *testing.F) {
	f.Add("csv", load(f, "named.csv"))
	f.Add("csv:time-col=1,obj-id-col=2,obj-size-col=3,delimiter=,,has-header=true", load(f, "named-objects.csv"))
	f.Add("csv:sector-col=1,sectors-col=2,delimiter=\\t,has-header=false,time-unit=ns,volume-col=3", []byte("1\t2\ta\n"))
	f.Add("csv:offset-col=Offset,size-col=9", []byte("Offset;x\n"))
	f.Fuzz(func(t *testing.T, spec string, b []byte) {
		s, err := ParseSpec(spec)
		if err != nil {
			return
		}
		r, err := Join(s, Source{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }})
		if err != nil {
			return
		}
		all, _ := drain(r)
		for _, q := range all {
			if q.Sectors == 0 || q.Sector+uint64(q.Sectors) > MaxSector || q.Volume >= MaxVolumes {
				t.Fatalf("%+v", q)
			}
		}
	})
}

// FuzzNumbers holds the hand-made number parsers against each other.
func FuzzNumbers(f *testing.F) {
	f.Add("18446744073709551615")
	f.Add("0.5")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := number([]byte(s))
		var want uint64
		if _, err := fmt.Sscanf(s, "%d", &want); ok && (err != nil || want != n) {
			t.Fatalf("%q: %d, want %d (%v)", s, n, want, err)
		}
		if us, err := seconds([]byte(s)); err == nil && us > 1<<63 {
			t.Fatalf("%q: %d us", s, us)
		}
	})
}

// BenchmarkRead is how fast each format is read.
func BenchmarkRead(b *testing.B) {
	for name := range goldens {
		if strings.HasSuffix(name, ".zst") {
			continue
		}
		b.Run(name, func(b *testing.B) {
			text := load(b, name)
			head, body := []byte(nil), text
			if bytes.HasPrefix(text, fioHeader) {
				head, body, _ = bytes.Cut(text, []byte("\n"))
				head = append(bytes.Clone(head), '\n')
			}
			if i := bytes.Index(body, []byte("CPU0")); i > 0 {
				body = body[:i]
			}
			if goldens[name] == LCS {
				head, body = text[:1024], text[1024:]
			}
			long := append(head, bytes.Repeat(body, 1+(4<<20)/len(body))...)
			batch := make([]Request, 1024)
			total := 0
			for b.Loop() {
				r, err := NewReader(bytes.NewReader(long), goldens[name])
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					var n int
					n, err = r.Read(batch)
					total += n
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(long)))
			b.ReportMetric(float64(total)/b.Elapsed().Seconds()/1e6, "M/s")
		})
	}
}

// What the kernel did is counted beside its requests.
func TestKernelCounts(t *testing.T) {
	r, err := NewReader(bytes.NewReader(load(t, "tracepoints.txt")), Detect)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(make([]Request, 1000)); err != nil {
		t.Fatal(err)
	}
	text := string(load(t, "tracepoints.txt"))
	k := r.Kernel()
	for _, c := range []struct {
		got  uint64
		want string
	}{
		{k.Hits, "bcache_read: .* hit 1 bypass 0"},
		{k.Misses, "bcache_read: .* hit 0 bypass 0"},
		{k.Allocated, "bcache_alloc: "},
		{k.AllocFails, "bcache_alloc_fail: "},
		{k.Written / 32, "bcache_cache_insert: .* len 32 "},
	} {
		if want := len(regexp.MustCompile(c.want).FindAllString(text, -1)); c.got != uint64(want) {
			t.Errorf("%s: %d, want %d", c.want, c.got, want)
		}
	}
	if k.Misses == 0 || k.Allocated == 0 {
		t.Errorf("%+v", k)
	}
}

// Who asked is the thread of bcache_request_start, whatever the request's end interrupted, and so is the volume.
func TestTracepointTasks(t *testing.T) {
	recorded := string(load(t, "tracepoints-tasks.txt"))
	var want []string
	for _, m := range regexp.MustCompile(`replay-(\d+) .*bcache_request_start: \S+ \S+ (\d+) \+`).FindAllStringSubmatch(recorded, -1) {
		want = append(want, m[2]+" of "+m[1])
	}
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"tracefs", recorded, want[:len(want)-1]}, // of the last the end is not there
		{"perf", `Web Content  4711/4712  [001]  8.085: bcache:bcache_request_start: 254,32 R 64 + 8 (from 252,128 @ 48)
dd   17 [000]     8.086000: bcache:bcache_request_start: 254,16 W 64 + 8 (from 252,0 @ 48)
swapper     0 [001]     8.087000:           bcache:bcache_read: 254,32  R 64 + 8 hit 0 bypass 0
swapper     0 [001]     8.088000:           bcache:bcache_read: 254,16  R 640 + 8 hit 0 bypass 0
dd    17 [001]     8.089000:           bcache:bcache_write: 2e5b487f-065d-4227-85bf-0391212b33c6 inode 1  W 64 + 8 hit 0 bypass 0
`, []string{"64 of 4712", "640 of 1", "64 of 17"}},
		{"the same block of two volumes", `dd   11 [000]     8.085: bcache:bcache_request_start: 254,0 R 64 + 8 (from 252,0 @ 48)
dd   22 [000]     8.086: bcache:bcache_request_start: 254,16 R 64 + 8 (from 252,16 @ 48)
swapper     0 [001]     8.087:           bcache:bcache_read: 254,0  R 64 + 8 hit 0 bypass 0
swapper     0 [001]     8.088:           bcache:bcache_read: 254,16  R 64 + 8 hit 0 bypass 0
`, []string{"64 of 11", "64 of 22"}},
	} {
		all, format, err := readAll(strings.NewReader(c.text), Detect)
		var got []string
		for _, q := range all {
			got = append(got, fmt.Sprintf("%d of %d", q.Sector, q.Task))
		}
		if err != nil || format != Tracepoints || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v: %q, want %q", c.name, format, err, got, c.want)
		}
		if v := all[len(all)-1].Volume; c.name != "tracefs" && (all[0].Volume != 0 || v != 1 || all[1].Volume != v) {
			t.Errorf("volumes of %+v", all)
		}
	}
}
