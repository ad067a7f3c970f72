// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

const (
	pinFifo     = 32767 // JOURNAL_PIN: as many entries can be live
	deepestTree = 10    // a device of 2^63 sectors needs no more levels
)

// judgeHeader checks the newest entry: it alone says where everything else is.
func (l *Log) judgeHeader(n Entry) {
	j := l.Newest
	entry := finding.JournalEntry{Seq: j.Seq, Bucket: l.bucket(n.Ring), Sector: l.sector(n)}
	if j.Version > 1 {
		l.emit(finding.JRVersion, entry, "version %d", j.Version)
	}
	if j.LastSeq > j.Seq || j.Seq-j.LastSeq >= pinFifo {
		l.emit(finding.JRLastSeq, entry, "last_seq %d", j.LastSeq)
	}
	if b := ondisk.Bucket(j.PrioBucket[l.g.ThisDev]); !l.g.Contains(b) || l.g.IsJournal(b) {
		l.emit(finding.JRPrioBucket, entry, "prio bucket %d of %d", b, l.g.NBuckets)
	}
	if int(j.Level) > deepestTree {
		l.emit(finding.JRLevel, entry, "btree level %d", j.Level)
	}
	if why := RootFault(l.g, &j.BtreeRoot.Bkey); why != "" {
		l.emit(finding.JRRoot, entry, "btree root %s: %s", j.BtreeRoot.Bkey.String(), why)
	}
	if why := UUIDFault(l.g, &j.UUIDBucket.Bkey); why != "" {
		l.emit(finding.JRUUIDBucket, entry, "uuid bucket %s: %s", j.UUIDBucket.Bkey.String(), why)
	}
}

// RootFault says why k cannot be a btree root's key, or nothing.
func RootFault(g *superblock.Geometry, k *ondisk.Bkey) string {
	if !k.IsMax() {
		return "not at the last key"
	}
	return metaFault(g, k, g.NodeSectors)
}

// UUIDFault says why k cannot lead to the uuid bucket, or nothing.
func UUIDFault(g *superblock.Geometry, k *ondisk.Bkey) string { return metaFault(g, k, g.MetaSectors) }

func metaFault(g *superblock.Geometry, k *ondisk.Bkey, size ondisk.Sector) string {
	switch p := k.Ptr[0]; {
	case k.Ptrs() != 1:
		return "not one pointer"
	case k.Dirty():
		return "dirty"
	case !p.Available():
		return "on an unknown device"
	case k.Size() != size:
		return "size is not the node's or bucket's"
	case g.Remainder(p.Offset()) != 0:
		return "not at the start of a bucket"
	case !g.Contains(g.BucketOf(p.Offset())):
		return "outside the device"
	case g.IsJournal(g.BucketOf(p.Offset())):
		return "in the journal"
	}
	return ""
}
