// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"fmt"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

// A foundRow is a bcache device on a disk.
type foundRow struct {
	Offset  *int64        `json:"offset_bytes"` // null: not known
	Kind    string        `json:"type"`
	Super   string        `json:"superblock"` // whole or lost
	UUID    string        `json:"uuid"`
	Set     string        `json:"set_uuid"` // of a lost one the first half
	Bucket  ondisk.Sector `json:"bucket_sectors"`
	Buckets uint64        `json:"nbuckets"`
	Losetup string        `json:"losetup"`
	DMSetup string        `json:"dmsetup"`
}

func (o *superOptions) find(ctx context.Context, tell *app.IO) error {
	name := o.devices[0]
	dev, err := app.OpenDevice(tell, name)
	if err != nil {
		return err
	}
	defer dev.Close()
	bar := tell.Progress("scan", dev.Size())
	places, err := superblock.Find(ctx, dev, dev.Size(), dev.Size(), bar.Add)
	bar.Done()
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case len(places) == 0:
		return fmt.Errorf("%s: %w: no superblock and no journal of a cache anywhere", name, superblock.ErrNotBcache)
	}
	return render.Write(tell.Out, tell.Format, render.View[foundRow]{
		Head: []render.Field{{Key: "device", Value: name}},
		Key:  "found",
		Rows: func(yield func(foundRow, error) bool) {
			for i := range places {
				if !yield(rowOf(name, dev.Size(), &places[i]), nil) {
					return
				}
			}
		},
		Columns: []render.Column[foundRow]{
			{Name: "offset_bytes", Num: true, Cell: func(r foundRow) string { return fmt.Sprint(*r.Offset) }, Has: func(r foundRow) bool { return r.Offset != nil }},
			{Name: "type", Cell: func(r foundRow) string { return r.Kind }},
			{Name: "superblock", Cell: func(r foundRow) string { return r.Super }},
			{Name: "uuid", Cell: func(r foundRow) string { return r.UUID }},
			{Name: "set_uuid", Cell: func(r foundRow) string { return r.Set }},
			{Name: "bucket_sectors", Num: true, Int: func(r foundRow) uint64 { return uint64(r.Bucket) }},
			{Name: "nbuckets", Num: true, Int: func(r foundRow) uint64 { return r.Buckets }},
			{Name: "losetup", Cell: func(r foundRow) string { return r.Losetup }},
			{Name: "dmsetup", Cell: func(r foundRow) string { return r.DMSetup }},
		},
		Limit: -1,
	})
}

// rowOf says what was found, and how to reach it: read-only, for the kernel would register what it can write to.
func rowOf(name string, size int64, p *superblock.Place) (r foundRow) {
	length := max(0, size-p.Start)
	if s := p.Super; s != nil {
		r.Kind, r.Super, r.UUID, r.Set = superblock.Kind(s), "whole", s.UUID.String(), s.SetUUID.String()
		if !s.IsBacking() {
			r.Bucket, r.Buckets = superblock.BucketSectors(s), s.Nbuckets
			if g, err := superblock.NewGeometry(s); err == nil {
				length = min(length, g.Size())
			}
		}
	} else {
		var set ondisk.UUID
		for i := range 8 {
			set[i] = byte(p.Trace.SetMagic >> (8 * i))
		}
		r.Kind, r.Super, r.Set, r.Bucket = "cache", "lost", set.String()[:18], p.Trace.BucketSectors
	}
	if p.Proven {
		r.Offset = &p.Start
		path := app.Quote(name)
		r.Losetup = fmt.Sprintf("losetup --read-only --find --show --offset %d --sizelimit %d %s", p.Start, length, path)
		r.DMSetup = fmt.Sprintf("echo '0 %d linear %s %d' | dmsetup create --readonly bcache-found", length/ondisk.SectorBytes, path, p.Start/ondisk.SectorBytes)
	}
	return r
}
