// SPDX-License-Identifier: GPL-2.0-only

package change

import "bctl/internal/bcache/ondisk"

// TakeForTest makes b as if something had taken it.
func (t *Tx) TakeForTest(b ondisk.Bucket) { t.taken.add(b, t.g.NBuckets) }

// UnusedForTest is the last bucket that no key points to; 0 if there is none.
func (t *Tx) UnusedForTest() (ondisk.Bucket, error) {
	if err := t.scan(); err != nil {
		return 0, err
	}
	for b := t.g.NBuckets - 1; b > t.g.FirstBucket; b-- {
		if t.Free(b) && !t.usage.pointed.has(b) && t.usage.lag[b] == 0 {
			return b, nil
		}
	}
	return 0, nil
}

// OldestForTest are the n buckets that room would be made of, with other prios.
func (t *Tx) OldestForTest(n int, prio func(b ondisk.Bucket) uint16) ([]ondisk.Bucket, error) {
	if err := t.scan(); err != nil {
		return nil, err
	}
	for b := range t.prios {
		t.prios[b] = prio(ondisk.Bucket(b))
	}
	return t.oldest(n), nil
}
