// SPDX-License-Identifier: GPL-2.0-only

package finding

var btreeRows = []Row{
	{BTHeader, Damage, "K42 K47 K49", "btree node: bad header", "The kernel refuses the device with 'bad btree header'. What the node led to is not checked."},
	{BTVersion, Damage, "K48", "btree node: unsupported bset version", "The kernel refuses the device."},
	{BTMagic, Damage, "K50", "btree node: bad magic", "The kernel refuses the device. The bsets before it are checked."},
	{BTChecksum, Damage, "K51", "btree node: bad checksum", "The kernel refuses the device. The bsets before it are checked."},
	{BTEmpty, Damage, "K52", "btree node: empty bset", "The kernel refuses the device with 'empty set'."},
	{BTCorrupted, Damage, "K53", "btree node: bset behind the end", "A bset of the node follows a block that is none: the kernel refuses the device with 'corrupted btree'."},
	{BTShort, Damage, "K54 U47", "key outside its btree node", "The kernel refuses it with 'short btree key', or lookups miss it."},
	{BTLevel, Damage, "U21 U48", "btree node of another level", "Its keys are not what its level says."},
	{BTNoChild, Damage, "K56", "interior node without a live child", "In the root a kernel BUG."},
	{BTOverrun, Damage, "K57 U51", "keys of a bset do not parse", "The kernel takes what follows for keys, and dies of it or says 'bset was corrupt'."},
	{BTChild, Damage, "K58 K59 K60 K61", "impossible child pointer", "The kernel refuses the device with 'spotted btree ptr'. What lies below it is lost."},
	{BTDuplicate, Damage, "K70", "two children end at one key", "The kernel reads both; which one a lookup finds is chance."},
	{BTOrder, Damage, "K68 K71 U52", "keys of a bset are out of order", "The kernel registers and says nothing; lookups miss keys."},
	{BTOverlap, Damage, "K69 K72 U52 U53", "keys of one bset overlap", "The kernel serves the data of one of them; when it cuts them, a kernel BUG."},
	{BTKeyBits, Damage, "U51", "key with unused bits set", "Damage that the checksum did not catch, or a foreign writer."},
	{BTTwice, Damage, "U46", "btree node is referenced twice", "Two parents share it, or the tree loops."},
	{BTTiling, Damage, "U47", "children do not fill their parent", "Keys between them have no leaf: lookups fail."},
	{BTChildShape, Damage, "U49", "child pointer of the wrong shape", "One pointer, a node's size, at the start of a bucket."},
	{BTZeroKey, Damage, "U54", "record of a freed node in a leaf", "They belong in interior nodes. The kernel takes it for an extent that starts before its volume, and dies of it."},
	{BTSeqTwice, Warning, "U55", "two nodes with one sequence number", "One may be a clone of an old node."},
	{BTUnread, Damage, "K42 K46", "btree node cannot be read", "The medium fails, or the device ends before it."},
	{BTReserved, Damage, "U46 U59", "btree node in a journal, prio or uuid bucket", "One of the two overwrites the other."},
	{BTSalvage, Note, "U56", "unreferenced bucket with a btree node of this set", "An older node; where the tree is damaged it may hold the lost keys."},
	{BTFill, Note, "U57", "btree nodes are mostly dead keys", "The next garbage collection rewrites them."},
}

var extentRows = []Row{
	{EXShort, Damage, "K59", "extent points before the first bucket", "An error, then a kernel BUG: it would hit the superblock."},
	{EXPastEnd, Damage, "K60 U74", "extent points past the device", "The kernel stops the set it has just registered with 'spotted extent', then hits a BUG."},
	{EXCross, Damage, "K61", "extent crosses the end of its bucket", "The kernel stops the set it has just registered with 'spotted extent', then hits a BUG."},
	{EXSize, Damage, "K62", "extent starts before its volume", "The kernel stops the set it has just registered with 'spotted extent', then hits a BUG."},
	{EXStaleDirty, Warning, "K63 U65", "stale dirty pointer", "Its bucket was reused. After a crash that is legal: the data had been written back, only the note of it was not. Otherwise the named sectors are lost: the volume shows what the backing device has."},
	{EXMetadata, Damage, "K65 K67", "extent in a btree node's bucket", "The kernel registers half-way with 'inconsistent ptrs' and then hits a BUG."},
	{EXShared, Damage, "U58", "two extents claim the same sectors of the cache", "The kernel says nothing and serves wrong data for at least one of them."},
	{EXAlign, Damage, "U60", "extent is not aligned to blocks", "Devices with 4 KiB blocks fail the request."},
	{EXPtrDev, Damage, "U62", "extent on an unknown device", "There is one cache in the set; the kernel drops the key or reads the wrong place."},
	{EXPlaceholder, Damage, "U63", "dirty placeholder", "The placeholder of a read that missed holds no data."},
	{EXDirtyNoPtr, Damage, "U64", "dirty extent without a pointer", "Its data are nowhere."},
	{EXPastBacking, Damage, "U61", "extent ends behind its backing device", "Writeback would fail; the backing device was exchanged or shrank."},
	{EXReserved, Damage, "U59", "extent in a journal, prio or uuid bucket", "The kernel marks the bucket metadata again without a word; one of the two overwrites the other."},
	{EXStaleData, Warning, "U70", "clean extent differs from the backing device", "Looked for only with --verify-data. The backing device was written without its cache; the cache would serve the older data."},
}

var spaceRows = []Row{
	{SPOverfull, Damage, "U66", "bucket holds more live sectors than it has", "Extents overlap in it, or point outside it."},
	{SPReserve, Damage, "U71", "too few buckets can be reclaimed", "The first prio write or node split would hang."},
	{SPGcSectors, Note, "U67 K73", "buckets too large for the kernel's sector count", "Garbage collection counts at most 8191 sectors a bucket: its statistics are wrong, the data are not."},
	{SPDirty, Warning, "U73", "most of the cache is dirty", "Above 70 % the kernel bypasses the cache for writes until writeback has caught up."},
	{SPLeaked, Note, "U72", "buckets that nothing refers to", "They still have a prio; the next garbage collection frees them."},
	{SPMetadata, Warning, "U73", "metadata takes much of the cache", "More than a quarter: the buckets are small for this many keys."},
}

var backingRows = []Row{
	{BDSuper, Damage, "K1 K2 K3 K4 K5", "backing superblock is damaged", "The kernel refuses the device."},
	{BDBlock, Damage, "K28 U15", "backing device's blocks are smaller than the cache's", "The kernel does not attach it ('block size less than set's block size')."},
	{BDDuplicate, Damage, "K29 U15", "two backing devices with one uuid", "The kernel attaches the first only."},
	{BDNoSlot, Damage, "K30 U14 U45", "backing device's uuid is in no slot", "It says it is attached, but the cache does not know it. A dirty one does not come up; a clean one gets a new slot."},
	{BDNoRoom, Warning, "K31", "no free slot for the backing device", "It is not attached ('no room for UUID')."},
	{BDStripes, Damage, "K10 K32", "data offset is impossible", "The kernel refuses the device, or its volume would have no size."},
	{BDOtherSet, Damage, "U14 U69", "backing device of another set has data here", "The kernel will not bring the two together."},
	{BDState, Damage, "U14", "backing device's state or mode is impossible", "It says it is attached without naming a set, or its cache mode is unknown."},
	{BDStateDirty, Warning, "U68", "backing device's state and the cache's dirty data disagree", "Clean with dirty keys is a legal crash: the state is written later. Used without its cache it would show old data."},
	{BDLabel, Warning, "U45", "labels differ", "The slot has one label, the backing superblock another."},
	{BDSignature, Warning, "U10", "another signature on the backing device", "Something before the data offset may be taken for a filesystem."},
	{BDFields, Note, "U8 U13", "odd fields in the backing superblock", "Harmless."},
	{BDStranger, Warning, "U14", "backing device belongs to another set", "It is attached elsewhere, and the cache holds nothing of it that is not on it too."},
}
