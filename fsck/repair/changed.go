// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"fmt"
	"strings"

	"bctl/internal/bcache/ondisk"
)

// changed says which fields of a superblock were made other, for whoever wants to judge it.
func changed(raw, good []byte) string {
	was, err := ondisk.DecodeSuper(raw)
	if err != nil || good == nil {
		return ""
	}
	is, err := ondisk.DecodeSuper(good)
	if err != nil {
		return ""
	}
	if was.Magic != is.Magic || was.Csum != was.Checksum() {
		return "made anew from what the rest of the metadata tell"
	}
	var words []string
	field := func(name string, a, b any) {
		if a != b {
			words = append(words, fmt.Sprintf("%s %v, it was %v", name, b, a))
		}
	}
	field("its place", was.Offset, is.Offset)
	field("version", was.Version, is.Version)
	field("uuid", was.UUID, is.UUID)
	field("set uuid", was.SetUUID, is.SetUUID)
	field("sectors a block", was.BlockSize, is.BlockSize)
	field("sectors a bucket", was.BucketSize, is.BucketSize)
	field("features", was.FeatureIncompat, is.FeatureIncompat)
	field("first bucket", was.FirstBucket, is.FirstBucket)
	if !is.IsBacking() {
		field("buckets", was.Nbuckets, is.Nbuckets)
		field("journal buckets", was.Keys, is.Keys)
		field("number in the set", was.NrThisDev, is.NrThisDev)
		field("caches in the set", was.NrInSet, is.NrInSet)
		field("replacement policy", was.Replacement(), is.Replacement())
		field("SYNC", was.Sync(), is.Sync())
		field("discard", was.Discard(), is.Discard())
	} else {
		field("cache mode", was.CacheMode(), is.CacheMode())
		field("state", was.State(), is.State())
	}
	if was.D != is.D && was.Keys == is.Keys {
		words = append(words, "the list of journal buckets")
	}
	if len(words) == 0 {
		return "unused fields cleared"
	}
	return strings.Join(words, "; ")
}
