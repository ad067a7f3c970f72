// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"fmt"

	"bctl/internal/bcache/ondisk"
)

// Kind is what the version says the device is: "cache", "backing", or "" where it says nothing known.
func Kind(s *ondisk.Super) string {
	switch s.Version {
	case ondisk.VersionCache, ondisk.VersionCacheUUID, ondisk.VersionCacheFeat:
		return "cache"
	case ondisk.VersionBacking, ondisk.VersionBackingOffset, ondisk.VersionBackingFeat:
		return "backing"
	}
	return ""
}

// VersionName says what a version of the superblock has, or "unknown".
func VersionName(v uint64) string {
	names := []string{"as formatted", "backing", "unknown", "with uuids", "with data offset", "with features", "with features"}
	if v < uint64(len(names)) {
		return names[v]
	}
	return "unknown"
}

// FeatureNames names the feature bits that are set, of versions 5 and 6; those without a name by their value.
func FeatureNames(s *ondisk.Super) []string {
	names := []string{}
	if s.Version != ondisk.VersionCacheFeat && s.Version != ondisk.VersionBackingFeat {
		return names
	}
	for _, set := range []struct {
		kind string
		bits uint64
		name map[uint64]string
	}{
		{"compat", s.FeatureCompat, nil},
		{"ro_compat", s.FeatureROCompat, nil},
		{"incompat", s.FeatureIncompat, map[uint64]string{
			ondisk.FeatureObsoLargeBucket: "obso_large_bucket", ondisk.FeatureLogBucketSize: "large_bucket",
		}},
	} {
		for bit := uint64(1); bit != 0; bit <<= 1 {
			switch {
			case set.bits&bit == 0:
			case set.name[bit] != "":
				names = append(names, set.name[bit])
			default:
				names = append(names, fmt.Sprintf("unknown_%s_%#x", set.kind, bit))
			}
		}
	}
	return names
}
