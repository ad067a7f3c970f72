// SPDX-License-Identifier: GPL-2.0-only

package message

// What is said while a set is in use.
var running = []Row{
	{
		Text: "error on *: *, disabling caching", Grade: Umbrella,
		Means: "The kernel has given the cache up for the reason between the colons; its backing devices are detached or stopped.",
		Dont:  "Do not attach the backing devices to the cache again before it was checked.",
		Next:  "bctl fsck CACHE BACKING",
	},
	{
		Text: `stop_when_cache_set_failed of * is "auto" and cache is dirty`, Grade: Endangers, Codes: "UU04",
		Means: "The cache failed with dirty data in it: the volume is stopped, and its slot in the cache is being invalidated.",
		Dont:  "Do not attach the backing device again, and do not use it alone: its dirty data are in the cache, under a number that nothing names.",
		Next:  "bctl fsck CACHE BACKING",
	},
	{
		Text: `stop_when_cache_set_failed of * is "auto" and cache is clean`, Grade: Unwell,
		Means: "The cache failed, and held nothing that the backing device lacks: the volume goes on without it.", Next: "bctl fsck CACHE",
	},
	{
		Text: `stop_when_cache_set_failed of * is "always"`, Grade: Unwell, Codes: "UU04",
		Means: "The cache failed, and the volume is stopped, as it was set to be.", Dont: "Do not use the backing device alone before you know that nothing is dirty.",
		Next: "bctl fsck CACHE BACKING",
	},
	{
		Text: "io error reading bucket", Grade: Hardware, Codes: "BT21",
		Means: "A node of the tree lies on sectors that cannot be read.", Dont: "Do not write to the drive before it was copied.",
		Next: "ddrescue DEVICE COPY MAP",
	},
	{
		Text: "IO error on *", Grade: Hardware, Aliases: []string{"journal io error", "bch_btree_insert() error -5", "too many IO errors"},
		Means: "The cache drive does not read or write any more; metadata may be torn.",
		Dont:  "Do not write to the drive before it was copied.",
		Next:  "smartctl -a DEVICE",
	},
	{
		Text: "IO error on backing device, unrecoverable", Grade: Hardware,
		Aliases: []string{"Read-ahead I/O failed on backing device", "too many IO errors on backing device", "device offline for", "I/O disabled on cached dev", "disable I/O request due to backing device offline"},
		Means:   "The backing drive does not read or write, or is gone. What is dirty in the cache stays there.",
		Dont:    "Do not detach the cache.",
		Next:    "smartctl -a BACKING",
	},
	{
		Text: "Can't flush *: returned bi_status", Grade: Hardware, Means: "The backing drive did not flush its cache.", Next: "smartctl -a BACKING",
	},
	{
		Text: "state=inconsistent", Grade: Endangers, Codes: "BD14", Aliases: []string{"state: inconsistent", "state inconsistent"},
		Means: "The backing device was used without its cache while that held dirty data (bctl calls the state stale): the kernel does not bring the two together again, and what is dirty may be older than what was written since.",
		Dont:  "Do not attach it: the kernel takes it for a new device, and drops its dirty data.",
		Next:  "bctl fsck CACHE BACKING",
	},
	{
		Text: "task bcache-register:* blocked for more than", Grade: Unwell, Codes: "JR18", Aliases: []string{"task bcache_register:* blocked for more than"},
		Means: "Registration waits: it reads every node first, minutes on a large cache; or the journal is full, and it waits for ever.",
		Dont:  "Do not register the cache again before it was checked: the next boot hangs at the same place.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "gc failed!", Grade: Unwell, Means: "Garbage could not be collected; a node could not be read, or memory is short.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "could not register shrinker", Grade: Unwell, Means: "The machine is out of memory.", Next: "free -m",
	},
	{
		Text: "sectors dirty init failed", Grade: Unwell, Means: "The dirty data could not be counted: a node could not be read, or memory is short.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "sb/logical block size * greater than page size", Grade: Normal, Means: "The kernel takes the disk's own block size.", Next: "bctl show-super DEVICE",
	},
	{
		Text: "kernel BUG at drivers/md/bcache/", Grade: Endangers, Aliases: []string{"RIP: *bch_*"},
		Means: "The kernel met what it holds for impossible, and that task is dead: mostly damage on the device (a key into the superblock, a bucket used twice, a root without keys).",
		Dont:  "Do not register the device again: it happens again, and may write before it does.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "WARNING: *drivers/md/bcache/alloc.c", Grade: Unwell, Codes: "GN01", Aliases: []string{"bch_inc_gen"},
		Means: "A bucket's gen ran far ahead: garbage was not collected for long.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "UBSAN: *drivers/md/bcache/", Grade: Normal,
		Aliases: []string{"memcpy: detected field-spanning write *drivers/md/bcache/"},
		Means:   "A check of the compiler's in Linux 6.1 to 6.8, of code that is right. Harmless.", Next: "uname -r",
	},
}
