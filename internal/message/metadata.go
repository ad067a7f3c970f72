// SPDX-License-Identifier: GPL-2.0-only

package message

// What is said when journal, prios and tree are read.
var metadata = []Row{
	{
		Text: "bad csum reading priorities", Grade: Refused, Codes: "PR01",
		Means: "A bucket of the prio chain is damaged or was discarded. It is no error of the drive, though 'IO error reading priorities' follows.",
		Dont:  "Do not format the cache: tree, journal and data are whole, and the chain can be made anew from them.",
		Next:  "bctl rewrite-prios --from-btree --dry-run DEVICE",
	},
	{
		Text: "bad magic reading priorities", Grade: Refused, Codes: "PR02",
		Means: "A bucket of the prio chain holds something else.",
		Dont:  "Do not format the cache: the chain can be made anew from the tree.",
		Next:  "bctl rewrite-prios --from-btree --dry-run DEVICE",
	},
	{
		Text: "IO error reading priorities", Grade: Umbrella, Codes: "PR01 PR02 PR08",
		Means: "The prio chain could not be read. The line before says why; mostly it is no error of the drive.",
		Dont:  "Do not format the cache.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "*: bad csum, * bytes, offset *", Grade: Unwell, Codes: "JR02 JR03",
		Means: "A journal entry is torn. Once, at the end of the newest entries, that is what a crash leaves; elsewhere entries are lost.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "*: too big, * bytes, offset *", Grade: Unwell, Codes: "JR02 JR03",
		Means: "A journal entry has an impossible length: the journal is read no further in that bucket.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "journal entries * missing! (replaying *", Grade: Refused, Codes: "JR04",
		Means: "Entries between the oldest and the newest are gone: destroyed, or discarded by the drive.",
		Dont:  "Do not register it with another kernel in the hope that it minds less.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "journal entries * may be discarded! (replaying *", Grade: Unwell, Codes: "JR06 SB27",
		Means: "The oldest entries are gone, which discard explains: the kernel goes on. From 6.19 on it does not.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "no journal entries found", Grade: Refused, Codes: "JR01",
		Means: "Nothing in the journal can be read: it was discarded or overwritten, or the superblock leads to the wrong place.",
		Dont:  "Do not format the cache: the tree may be whole.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "replay journal failed", Grade: Refused, Codes: "JR02 JR04 JR16",
		Means: "The journal's keys could not be put into the tree.", Dont: "Do not format the cache.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "journal replay done, * keys in * entries, seq *", Grade: Normal, Means: "The journal was replayed, as at each registration after use.",
		Next: "cat /sys/block/bcache0/bcache/state",
	},
	{
		Text: "bad btree header", Grade: Refused, Codes: "BT01",
		Aliases: []string{"unsupported bset version at bucket", "bad magic at bucket", "bad checksum at bucket", "empty set at bucket", "corrupted btree at bucket"},
		Means:   "A node of the tree is damaged from the block it names on; the count of keys in the message means nothing.",
		Dont:    "Do not format the cache: other nodes, and what can be read of this one, still lead to data.",
		Next:    "bctl fsck DEVICE",
	},
	{
		Text: "short btree key", Grade: Refused, Codes: "BT07",
		Means: "A node of the tree holds keys past its own end.", Dont: "Do not format the cache.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "error reading btree root", Grade: Refused, Codes: "BT21 JR12",
		Aliases: []string{"bad btree root", "bad uuid pointer", "error in recovery", "error reading uuids"},
		Means:   "What the newest journal entry points to is damaged; older entries may lead to an older tree that is whole.",
		Dont:    "Do not format the cache, and do not let a kernel write to it.",
		Next:    "bctl fsck DEVICE",
	},
	{
		Text: "spotted extent *", Grade: Refused, Codes: "EX01 EX02 EX03 EX04",
		Means: "A key points where no data can be: into the superblock, past the device, over a bucket's end. Some of these stop the kernel.",
		Dont:  "Do not register the device again.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "spotted btree ptr *", Grade: Refused, Codes: "BT11 BT18",
		Means: "A pointer from one node of the tree to another is damaged.", Dont: "Do not register the device again.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "inconsistent ptrs: mark = *, level = *", Grade: Refused, Codes: "EX06 EX07",
		Means: "One bucket is used by the tree and for data. The kernel stops (BUG) when it comes to it.",
		Dont:  "Do not register the device again.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "stale dirty pointer, stale *, key: *", Grade: Endangers, Codes: "EX05",
		Means: "A bucket was used anew while a key still called its data dirty. After a crash the data may have been written back before; if not they are lost.",
		Dont:  "Do not run the filesystem's check on the volume before the backing device has been compared.",
		Next:  "bctl fsck CACHE BACKING",
	},
	{
		Text: "key too stale: *, need_gc *", Grade: Unwell, Codes: "GN01",
		Means: "A bucket's gen ran far ahead of a pointer: garbage was not collected for long.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "Key skipped backwards", Grade: Unwell, Codes: "BT13", Aliases: []string{"Keys out of order", "Overlapping keys", "bset was corrupt"},
		Means: "The keys of a node are out of order: lookups miss some.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "accessing priorities", Grade: Hardware, Codes: "PR08", Aliases: []string{"accessing uuids"},
		Means: "Reading or writing metadata failed on the drive.", Dont: "Do not write to the drive before it was copied.",
		Next: "ddrescue DEVICE COPY MAP",
	},
}
