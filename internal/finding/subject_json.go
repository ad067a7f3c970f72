// SPDX-License-Identifier: GPL-2.0-only

package finding

import (
	"encoding/json"

	"bctl/internal/bcache/ondisk"
)

// The kinds of subjects in JSON. Like codes they never change their meaning.
const (
	kindSuper        = "superblock"
	kindNode         = "node"
	kindBset         = "bset"
	kindRing         = "journal"
	kindJournalBlock = "journal block"
	kindJournalEntry = "journal entry"
	kindJournalKey   = "journal key"
	kindPrioLink     = "prio set"
	kindBucket       = "bucket"
	kindSlot         = "uuid slot"
	kindVolume       = "volume"
	kindExtent       = "extent"
	kindBacking      = "backing device"
	kindBytes        = "bytes"
)

// tagged is the object of v with its kind in front.
func tagged(kind string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	k, err := json.Marshal(kind)
	if err != nil {
		return nil, err
	}
	head := append([]byte(`{"kind":`), k...)
	if len(b) > len("{}") {
		head = append(head, ',')
	}
	return append(head, b[1:]...), nil
}

// keyView is a key as JSON has it: two words would not fit the numbers of most readers.
type keyView struct {
	Inode   uint32        `json:"inode"`
	Offset  ondisk.Sector `json:"offset"` // of its start, in the volume
	Sectors ondisk.Sector `json:"sectors"`
	Dirty   bool          `json:"dirty"`
	Key     string        `json:"key"`
}

func viewOf(k *ondisk.Bkey) *keyView {
	if k == nil {
		return nil
	}
	return &keyView{k.Inode(), max(k.Offset(), k.Size()) - k.Size(), k.Size(), k.Dirty(), k.String()}
}

type nodeView struct {
	Bucket ondisk.Bucket `json:"bucket"`
	Sector ondisk.Sector `json:"sector"`
	Level  int           `json:"level"`
	Block  *uint64       `json:"block,omitempty"`
	Key    *keyView      `json:"key,omitempty"`
}

func (s Node) MarshalJSON() ([]byte, error) {
	return tagged(kindNode, nodeView{Bucket: s.Bucket, Sector: s.Sector, Level: s.Level, Key: viewOf(s.Key)})
}

func (s Bset) MarshalJSON() ([]byte, error) {
	return tagged(kindBset, nodeView{s.Bucket, s.Sector, s.Level, ptr(s.Block), viewOf(s.Key)})
}

func (s JournalKey) MarshalJSON() ([]byte, error) {
	return tagged(kindJournalKey, struct {
		Seq uint64 `json:"seq"`
		*keyView
	}{s.Seq, viewOf(&s.Key)})
}

func (s Extent) MarshalJSON() ([]byte, error) {
	return tagged(kindExtent, struct {
		*keyView
		Bucket *ondisk.Bucket `json:"bucket,omitempty"`
		End    ondisk.Sector  `json:"volume_end,omitempty"`
	}{viewOf(&s.Key), s.Bucket, s.VolumeEnd})
}

func (s Super) MarshalJSON() ([]byte, error) { type view Super; return tagged(kindSuper, view(s)) }
func (s Ring) MarshalJSON() ([]byte, error)  { type view Ring; return tagged(kindRing, view(s)) }
func (s JournalBlock) MarshalJSON() ([]byte, error) {
	type view JournalBlock
	return tagged(kindJournalBlock, view(s))
}

func (s JournalEntry) MarshalJSON() ([]byte, error) {
	type view JournalEntry
	return tagged(kindJournalEntry, view(s))
}

func (s PrioLink) MarshalJSON() ([]byte, error) {
	type view PrioLink
	return tagged(kindPrioLink, view(s))
}

func (s Bucket) MarshalJSON() ([]byte, error) { type view Bucket; return tagged(kindBucket, view(s)) }
func (s Slot) MarshalJSON() ([]byte, error)   { type view Slot; return tagged(kindSlot, view(s)) }
func (s Volume) MarshalJSON() ([]byte, error) { type view Volume; return tagged(kindVolume, view(s)) }

func (s Backing) MarshalJSON() ([]byte, error) {
	type view Backing
	return tagged(kindBacking, view(s))
}
func (s Bytes) MarshalJSON() ([]byte, error) { type view Bytes; return tagged(kindBytes, view(s)) }
