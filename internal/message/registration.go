// SPDX-License-Identifier: GPL-2.0-only

package message

// What is said while a device is registered, before anything but its superblock has been looked at.
var registration = []Row{
	{
		Text: "error *: failed to register device", Grade: Umbrella,
		Aliases: []string{"error *: fail to register cache device", "error *: fail to register backing device"},
		Means:   "Registration failed; the cause stands in the line before this one.",
		Dont:    "Do not format the device because of it.",
		Next:    "bctl fsck DEVICE",
	},
	{
		Text: "device already registered", Grade: Normal,
		Means: "udev or somebody else has registered the device before. Nothing is wrong.",
		Next:  "ls /sys/fs/bcache",
	},
	{
		Text: "device busy", Grade: Refused,
		Means: "Something else has the device: a mount, device mapper, md, or bcache itself.",
		Next:  "lsblk DEVICE",
	},
	{
		Text: "Not a bcache superblock (bad offset)", Grade: Refused, Codes: "SB01 BD01",
		Means: "The superblock's own place in it is wrong, or another filesystem (bcachefs of before 2023) is there.",
		Dont:  "Do not format it: all else may be whole.",
		Next:  "bctl show-super DEVICE",
	},
	{
		Text: "Not a bcache superblock (bad magic)", Grade: Refused, Codes: "SB02 BD01",
		Means: "There is no bcache superblock at byte 4096: it is another device, a partition is meant, or it was overwritten (wipefs).",
		Dont:  "Do not format it: journal, tree and data may be whole behind it.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "Bad checksum", Grade: Refused, Codes: "SB03 BD01",
		Means: "A field of the superblock has changed.",
		Dont:  "Do not run make-bcache over it: that makes another uuid, and loses what the cache holds.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "Bad UUID", Grade: Refused, Codes: "SB04 SB13 BD01",
		Means: "The device's or the set's uuid is zero.", Next: "bctl show-super DEVICE",
	},
	{
		Text: "Unsupported superblock version", Grade: Refused, Codes: "SB06",
		Means: "Made or changed by a kernel or tools newer than this one, or damaged.", Next: "bctl show-super DEVICE",
	},
	{
		Text: "Unsupported * feature found", Grade: Refused, Codes: "SB07",
		Means: "A newer kernel has used the device, or the bits are damaged.",
		Next:  "bctl show-super DEVICE",
	},
	{
		Text: "Superblock block size smaller than device block size", Grade: Refused, Codes: "SB05 BD01",
		Means: "It was made on a disk with blocks of 512 bytes, and now lies on one with 4096.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "Invalid superblock: device too small", Grade: Refused, Codes: "SB12",
		Means: "The disk is smaller than the superblock says: it shrank, or it is not the whole of it.",
		Dont:  "Do not write behind the partition's end before it is as large as it was.",
		Next:  "bctl fsck DEVICE",
	},
	{
		Text: "Not enough buckets", Grade: Refused, Codes: "SB09",
		Aliases: []string{"Too many buckets", "cache device is too small", "ca->sb.nbuckets is too small"},
		Means:   "The kernel wants at least 513 buckets; make-bcache makes caches from 128 on.",
		Next:    "bctl show-super DEVICE",
	},
	{
		Text: "Bad bucket size", Grade: Refused, Codes: "SB11", Aliases: []string{"Bucket size (1 << *) overflows"},
		Means: "The bucket size in the superblock is damaged, or too small for this machine's pages.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "Bad block size", Grade: Refused, Codes: "SB10 BD01",
		Means: "The block size in the superblock is damaged, or larger than this machine's pages.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "Too many journal buckets", Grade: Refused, Codes: "SB08 SB32",
		Aliases: []string{"Journal buckets not sequential"},
		Means:   "The list of journal buckets in the superblock is damaged.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "first bucket comes before end of super", Grade: Refused, Codes: "SB15",
		Means: "The first bucket in the superblock is damaged.", Next: "bctl fsck DEVICE",
	},
	{
		Text: "Bad cache device number in set", Grade: Refused, Codes: "SB14",
		Means: "The superblock is damaged, or of a set of several caches (before Linux 5.10).", Next: "bctl show-super DEVICE",
	},
	{
		Text: "Bad data offset", Grade: Refused, Codes: "BD06",
		Means: "The backing device's data would begin inside its superblock.", Next: "bctl show-super DEVICE",
	},
	{
		Text: "duplicate cache set member", Grade: Refused,
		Means: "A cache of this set is registered already: this one is a copy of it, or a second cache, which sets have not had since 5.10.",
		Next:  "bctl show-super DEVICE",
	},
	{
		Text: "invalidating existing data", Grade: Endangers, Codes: "SB17",
		Means: "The superblock says that the cache was never used, so the kernel has made it anew: what was in it is gone, dirty data too. " +
			"At the first registration of a new cache that is as it should be.",
		Dont: "Where you have read this of a copy: do not register the original.",
		Next: "bctl fsck DEVICE",
	},
	{
		Text: "registered cache device", Grade: Normal, Aliases: []string{"registered backing device"},
		Means: "The device is registered.", Next: "cat /sys/block/bcache*/bcache/state",
	},
	{
		Text: "Cache set * unregistered", Grade: Normal, Aliases: []string{"* stopped", "Stopping all devices", "All devices stopped", "delete pdev"},
		Means: "A set or a device was stopped, as somebody asked for.", Next: "lsblk",
	},
}

// What is said while a backing device is attached to its cache.
var attaching = []Row{
	{
		Text: "Caching * as * on set", Grade: Normal, Means: "A backing device was attached.", Next: "cat /sys/block/bcache0/bcache/state",
	},
	{
		Text: "Can't attach *: cache set not found", Aliases: []string{"Can't attach * : cache set not found"}, Grade: Refused,
		Means: "No registered cache has that set uuid; often attaching failed for the reason in the line before, mostly block sizes.",
		Next:  "bctl fsck CACHE BACKING",
	},
	{
		Text: "Couldn't find uuid for * in set", Grade: Endangers, Codes: "BD04 UU11",
		Means: "The backing device is dirty, and the cache has no slot for it: the cache was made anew, or the slot is damaged.",
		Dont:  "Do not make it run without its cache, and do not format either: the dirty data may be under another number.",
		Next:  "bctl fsck CACHE BACKING",
	},
	{
		Text: "Tried to attach * but duplicate UUID already attached", Grade: Refused, Codes: "BD03",
		Means: "A device of that uuid is attached: this is a copy of it, or the same disk under another name.",
		Dont:  "Do not write to either before you know which is the original.",
		Next:  "lsblk -o NAME,UUID,SERIAL",
	},
	{
		Text: "Couldn't attach *: block size less than set's block size", Grade: Refused, Codes: "BD02",
		Means: "The backing device's blocks are smaller than the cache's. Neither is damaged.",
		Next:  "bctl fsck CACHE BACKING",
	},
	{
		Text: "Not caching *, no room for UUID", Grade: Refused, Codes: "BD05 UU10", Aliases: []string{"Can't create volume, no room for UUID"},
		Means: "All slots of the cache are taken; the kernel does not use those of detached devices again.",
		Next:  "bctl uuid purge --leftover CACHE",
	},
	{
		Text: "already attached", Grade: Normal, Means: "It is attached.", Next: "cat /sys/block/bcache0/bcache/state",
	},
	{
		Text: "The obsoleted large bucket layout is unsupported", Grade: Unwell, Codes: "SB19",
		Aliases: []string{"Detect obsoleted large bucket layout", "Please update to the latest bcache-tools"},
		Means:   "Made by bcache-tools of 2020: its volumes come up read-only.", Next: "bctl show-super DEVICE",
	},
	{
		Text: "nr_stripes too large or invalid", Grade: Refused, Codes: "BD06",
		Means: "The backing device's data offset lies behind its end, or the disk tells an odd optimal size.", Next: "bctl show-super DEVICE",
	},
	{
		Text: "Couldn't run cached device", Grade: Umbrella, Aliases: []string{"Couldn't start writeback facilities for"},
		Means: "The volume did not come up; the cause stands in the line before.", Next: "bctl fsck CACHE BACKING",
	},
	{
		Text: "cached dev * is running already", Grade: Normal, Means: "The volume is there.", Next: "lsblk",
	},
	{
		Text: "Caching disabled for", Grade: Unwell,
		Means: "The backing device was detached: by somebody, or because the cache failed. If dirty data were left, their slot is invalid now.",
		Dont:  "Do not attach it again before you know: it gets a new slot, and the old data stay where nothing leads to them.",
		Next:  "bctl fsck CACHE BACKING",
	},
}
