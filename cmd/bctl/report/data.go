// SPDX-License-Identifier: GPL-2.0-only

package report

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"slices"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/superblock"
)

// data is what the page knows.
type data struct {
	Device   string       `json:"device"`
	Word     string       `json:"word"`
	Verdict  string       `json:"verdict"`
	Damaged  bool         `json:"damaged"`
	Complete bool         `json:"complete"`
	Counts   string       `json:"counts"` // what stands before counts that not all is known of, or nothing
	Buckets  uint64       `json:"buckets"`
	Sectors  uint64       `json:"bucket_sectors"`
	Map      string       `json:"map"` // see table
	Facts    [][2]string  `json:"facts"`
	Volumes  []volumeData `json:"volumes"`
	Journal  []ringData   `json:"journal"`
	Sizes    [2][17]int64 `json:"sizes"` // clean and dirty extents, by the logarithm of their sectors
	Findings []codeData   `json:"findings"`
	Steps    []fsck.Step  `json:"steps"`
}

// A volumeData is what is cached of a volume, over its address range.
type volumeData struct {
	Name  string      `json:"name"`
	Size  uint64      `json:"size"` // sectors; of a backing device that was not given, as far as anything is cached
	Known bool        `json:"known"`
	Live  uint64      `json:"live"`
	Dirty uint64      `json:"dirty"`
	Cells [][2]uint64 `json:"cells"` // live and dirty sectors, in as many equal parts
}

// A ringData is how much of a journal bucket is taken, in bytes.
type ringData struct {
	Live   int64 `json:"live"`
	Old    int64 `json:"old"`
	Newest bool  `json:"newest"`
}

// A codeData is a finding's code, with what was found.
type codeData struct {
	Code     finding.Code     `json:"code"`
	Severity finding.Severity `json:"severity"`
	Title    string           `json:"title"`
	Help     string           `json:"help"`
	Advice   string           `json:"advice"`
	Count    int              `json:"count"`
	First    []string         `json:"first"`
}

const (
	cells       = 480
	mostVolumes = 32
	mostOfCode  = 20
	unknownGen  = 0x80
)

// gather reads what the page shows. Errors are those of inspect.Extents.
func gather(rep *fsck.Report, c *inspect.Cache, backing []fsck.Device) (*data, error) {
	d := &data{
		Device: rep.Device, Word: rep.Word(), Verdict: rep.Verdict(), Damaged: rep.Result == fsck.Damaged, Complete: rep.Complete, Counts: counted(rep.Summary.Known),
		Buckets: uint64(c.Buckets.Len()), Sectors: uint64(c.Geo.BucketSectors), Steps: append([]fsck.Step{}, rep.Steps()...),
	}
	d.Facts = facts(rep, c)
	d.Map = table(c)
	d.journal(c)
	d.findings(rep.Findings)
	return d, d.volumes(c, backing)
}

// table is of every bucket: mark, gen, age, fill in 255ths, what it is used for, a byte each, and its prio in two,
// column by column, compressed. A mark that is not known is 4; unknownGen is added to it where gens and prio are not.
func table(c *inspect.Cache) string {
	n := int(c.Buckets.Len())
	b := make([]byte, 7*n)
	known := c.Known()
	for i := range n {
		at := ondisk.Bucket(i)
		mark := c.Buckets.Mark(at)
		b[i] = byte(mark)
		if mark == inspect.Free && !(known.Tree && known.Journal) {
			b[i] = 4
		}
		if !c.Buckets.GenKnown(at) {
			b[i] |= unknownGen
		}
		b[n+i] = c.Buckets.Gen(at)
		b[2*n+i] = c.Buckets.Lag(at)
		b[3*n+i] = byte(min(uint64(c.Buckets.Sectors(at))*255/uint64(c.Geo.BucketSectors), 255))
		b[4*n+i] = use(c, at)
		binary.LittleEndian.PutUint16(b[5*n+2*i:], c.Buckets.Prio(at))
	}
	var out bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // a level that there is
	_, _ = zip.Write(b)                                 // a buffer takes all
	_ = zip.Close()
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

// use is what a bucket is used for: 0 nothing, 1 superblock, 2 journal, 3 prio, 4 uuid, 5 btree, and from 16 on the
// volume of its data, the first of several; 255 stands for all high ones.
func use(c *inspect.Cache, b ondisk.Bucket) byte {
	switch o := c.Buckets.Owner(b); {
	case o == "":
		return 0
	case o == "superblock":
		return 1
	case o == "journal":
		return 2
	case o == "prio":
		return 3
	case o == "uuid":
		return 4
	case c.Buckets.IsNode(b):
		return 5
	}
	return byte(min(16+c.Buckets.Inodes(b)[0], 255))
}

func (d *data) journal(c *inspect.Cache) {
	d.Journal = make([]ringData, c.Geo.NJournal)
	if c.Journal == nil || c.Journal.Newest == nil {
		return
	}
	last := c.Journal.Newest.LastSeq
	for _, e := range c.Journal.Entries {
		r := &d.Journal[e.Ring]
		size := c.Geo.Blocks(e.Bytes).Bytes()
		if e.Seq >= last && e.Seq <= c.Journal.Newest.Seq && !e.Behind {
			r.Live += size
		} else {
			r.Old += size
		}
		r.Newest = r.Newest || e.Seq == c.Journal.Newest.Seq
	}
}

func (d *data) findings(list []finding.Finding) {
	d.Findings = []codeData{}
	at := map[finding.Code]int{}
	for _, f := range list {
		i, ok := at[f.Code]
		if !ok {
			row := finding.Lookup(f.Code)
			i = len(d.Findings)
			at[f.Code] = i
			d.Findings = append(d.Findings, codeData{Code: f.Code, Severity: f.Severity, Title: row.Title, Help: row.Help, Advice: row.Advice})
		}
		code := &d.Findings[i]
		if code.Count++; code.Count <= mostOfCode {
			code.First = append(code.First, f.Message)
		}
	}
}

// volumes goes through all extents, in order.
func (d *data) volumes(c *inspect.Cache, backing []fsck.Device) error {
	ends := map[ondisk.UUID]uint64{}
	for _, b := range backing {
		if s, err := superblock.Read(b.R); err == nil {
			ends[s.UUID] = uint64(b.Size / ondisk.SectorBytes)
		}
	}
	most := map[uint32]uint64{}
	if slices.ContainsFunc(c.Volumes, func(v *inspect.Volume) bool { return sizeOf(v, ends) == 0 }) {
		var err error
		if most, err = reach(c); err != nil {
			return err
		}
	}
	at := map[uint32]int{}
	d.Volumes = []volumeData{}
	for _, v := range c.Volumes {
		if len(d.Volumes) == mostVolumes || v.LiveSectors == 0 && v.Slot == nil {
			continue
		}
		data := volumeData{Name: nameOf(v), Live: uint64(v.LiveSectors), Dirty: uint64(v.DirtySectors), Cells: make([][2]uint64, cells)}
		data.Size = sizeOf(v, ends)
		data.Known = data.Size > 0
		data.Size = max(data.Size, most[v.Inode], 1)
		at[v.Inode] = len(d.Volumes)
		d.Volumes = append(d.Volumes, data)
	}
	for e, err := range c.Extents(inspect.Everything) {
		if err != nil {
			return err
		}
		if e.Live {
			d.extent(e, at)
		}
	}
	return nil
}

// sizeOf is a volume's, if its slot or its backing device tells; 0 else.
func sizeOf(v *inspect.Volume, ends map[ondisk.UUID]uint64) uint64 {
	if v.Slot == nil {
		return 0
	}
	return max(ends[v.Slot.UUID], v.Slot.Sectors)
}

// reach is where what is cached of each volume ends.
func reach(c *inspect.Cache) (map[uint32]uint64, error) {
	most := map[uint32]uint64{}
	for e, err := range c.Extents(inspect.Everything) {
		if err != nil {
			return nil, err
		}
		if e.Live {
			most[e.Inode()] = max(most[e.Inode()], uint64(e.Offset()))
		}
	}
	return most, nil
}

func (d *data) extent(e *inspect.Extent, at map[uint32]int) {
	dirty := 0
	if e.Dirty() {
		dirty = 1
	}
	d.Sizes[dirty][min(bits.Len64(uint64(e.Size())), 17)-1]++
	i, ok := at[e.Inode()]
	if !ok {
		return
	}
	v := &d.Volumes[i]
	part := (v.Size + cells - 1) / cells
	for from, end := uint64(e.Start()), uint64(e.Offset()); from < end; {
		cell := min(from/part, cells-1)
		to := min(end, (cell+1)*part)
		if cell == cells-1 {
			to = end
		}
		v.Cells[cell][0] += to - from
		if dirty == 1 {
			v.Cells[cell][1] += to - from
		}
		from = to
	}
}

func nameOf(v *inspect.Volume) string {
	switch {
	case v.Slot == nil:
		return "no slot"
	case uuids.StateOf(v.Slot) == uuids.Invalid:
		return "detached"
	case v.Label() != "":
		return v.Label() + ", " + *v.UUID()
	}
	return *v.UUID()
}
