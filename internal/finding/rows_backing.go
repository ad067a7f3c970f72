// SPDX-License-Identifier: GPL-2.0-only

package finding

var backingRows = []Row{
	{
		Code: BDSuper, Severity: Damage, Fix: Safe, Mend: BackingSuper, Kernel: Refuses, Invariants: "K1 K2 K3 K4 K5",
		Title:   "backing superblock is damaged",
		Help:    "The kernel refuses the device.",
		Depends: "UU",
		Cost:    "no data: it is made anew from the cache's slot, in state dirty",
		Advice:  "Name its cache too: the slot there says what the superblock held.",
		Command: "bctl fsck CACHE DEVICE",
	},
	{
		Code: BDBlock, Severity: Damage, Fix: None, Kernel: Refuses, Invariants: "K28 U15",
		Title: "backing device's blocks are smaller than the cache's",
		Help:  "The kernel does not attach it ('block size less than set's block size').",
		Cost:  "the block size stands in every structure, and cannot be changed under the data",
		Advice: "Both are sound, but do not fit: make the one that holds no data anew, with the block size of the other (format -w), or use a cache " +
			"that was made with blocks as small.",
	},
	{
		Code: BDDuplicate, Severity: Damage, Fix: None, Kernel: Refuses, Invariants: "K29 U15",
		Title:   "two backing devices with one uuid",
		Help:    "The kernel attaches the first only.",
		Cost:    "which of the two is the original cannot be known",
		Advice:  "Name or attach only one of the two; the other is a copy, or a path to the same device.",
		Command: "lsblk -o NAME,UUID,SERIAL",
	},
	{
		Code: BDNoSlot, Severity: Damage, Fix: Lossy, Mend: BackingSuper, Kernel: Refuses, Invariants: "K30 U45",
		Title: "backing device's uuid is in no slot",
		Help: "Its state is dirty, but the cache does not know it: the kernel does not bring it up ('Couldn't find uuid'). The cache " +
			"was made anew, or is another one; or the slot is damaged; or, if the power failed within a tenth of a second of the first " +
			"attach, it was never written, and nothing is lost.",
		Depends: "UU",
		Cost:    "the dirty data that the cache holds for it under no name",
		Advice:  "Look for another cache device of the set, or for an inode without a slot.",
		Command: "bctl fsck DEVICE BACKING",
	},
	{
		Code: BDNoRoom, Severity: Warning, Fix: None, Invariants: "K31",
		Title:   "no free slot for the backing device",
		Help:    "It is not attached ('no room for UUID').",
		Cost:    "the keys of the slots that are emptied: no data that stand nowhere else",
		Advice:  "Empty the slots of devices that were detached, or use another cache.",
		Command: "bctl uuid purge --leftover CACHE",
	},
	{
		Code: BDStripes, Severity: Damage, Fix: Safe, Mend: BackingSuper, Kernel: Refuses, Invariants: "K10 K32",
		Title:   "data offset is impossible",
		Help:    "The kernel refuses the device, or its volume would have no size.",
		Cost:    "no data: the offset is one that a sound filesystem is found behind",
		Advice:  "Find out with which --data-offset the device was made.",
		Command: "bctl show-super DEVICE",
	},
	{
		Code: BDOtherSet, Severity: Damage, Fix: Lossy, Mend: BackingSuper, Kernel: Loses, Invariants: "U14 U69",
		Title:   "backing device of another set has data here",
		Help:    "The kernel will not bring the two together.",
		Depends: "UU",
		Cost:    "the dirty data, unless the backing device is brought back to this set",
		Advice:  "Keep the kernel away: it brings the volume up without its dirty data.",
	},
	{
		Code: BDState, Severity: Damage, Fix: Safe, Mend: BackingSuper, Kernel: Refuses, Invariants: "U14",
		Title:   "backing device's state or mode is impossible",
		Help:    "It says it is attached without naming a set, or its cache mode is unknown.",
		Depends: "UU",
		Cost:    "no data: the state is made dirty, and the mode writethrough",
		Advice:  "Name its cache too: it says whether there are dirty data.",
		Command: "bctl fsck CACHE DEVICE",
	},
	{
		Code: BDStateDirty, Severity: Warning, Fix: Safe, Mend: BackingSuper, Invariants: "U68",
		Title:   "backing device's state and the cache's dirty data disagree",
		Help:    "Clean with dirty keys is a legal crash: the state is written later. Used without its cache it would show old data.",
		Depends: "UU",
		Cost:    "no data: the state is made dirty",
		Advice:  "Do not use the backing device without its cache.",
	},
	{
		Code: BDLabel, Severity: Warning, Fix: None, Invariants: "U45",
		Title:  "labels differ",
		Help:   "The slot has one label, the backing superblock another.",
		Cost:   "nothing is wrong: nothing depends on the label",
		Advice: "Nothing needs to be done; the kernel takes the slot's label.",
	},
	{
		Code: BDSignature, Severity: Warning, Fix: None, Invariants: "U10",
		Title:   "another signature on the backing device",
		Help:    "Something before the data offset may be taken for a filesystem.",
		Cost:    "what stands there may be what the device is used for",
		Advice:  "Find out what it is before the device is used again.",
		Command: "wipefs DEVICE",
	},
	{
		Code: BDFields, Severity: Note, Fix: None, Invariants: "U8 U13",
		Title:  "odd fields in the backing superblock",
		Help:   "Harmless.",
		Cost:   "nothing is wrong",
		Advice: "Nothing needs to be done.",
	},
	{
		Code: BDStranger, Severity: Warning, Fix: None, Invariants: "U14",
		Title:  "backing device belongs to another set",
		Help:   "It is attached elsewhere, and the cache holds nothing of it that is not on it too.",
		Cost:   "it is attached elsewhere",
		Advice: "Check it with the cache of its own set.",
	},
	{
		Code: BDDropped, Severity: Damage, Fix: Lossy, Mend: BackingSuper, Kernel: Loses, Invariants: "U68",
		Title: "the next registration drops dirty data",
		Help: "The backing device says that no cache holds data of it (none: its superblock was made anew), or that it was used " +
			"without its cache (stale). The kernel invalidates its slot when it attaches it, and the volume is the bare backing device.",
		Depends: "UU",
		Cost:    "what was written to the backing device since, where the cache holds something else",
		Advice:  "Keep the kernel away from both, and copy them. What the cache holds can still be read.",
	},
	{
		Code: BDLeft, Severity: Note, Fix: None, Invariants: "U69",
		Title:  "dirty data that the backing device has already",
		Help:   "A crash while it was being detached leaves this: everything was written back, and the cache does not say so yet.",
		Cost:   "nothing is wrong",
		Advice: "Nothing needs to be done; attached again, it gets a new slot.",
	},
	{
		Code: BDCutShort, Severity: Warning, Fix: None, Kernel: Refuses, Invariants: "U14",
		Title: "a crash cut an attach short",
		Help: "The device was written to within a tenth of a second after it was attached, before the journal led to its slot. The cache " +
			"holds nothing of it, and the device all that was promised to be durable; but the kernel does not bring it up ('Couldn't find uuid').",
		Cost:    "nothing is lost: bctl tune sets the state, when you say so",
		Advice:  "Set its state to clean: the kernel then attaches it by itself.",
		Command: "bctl tune --state clean BACKING DEVICE",
	},
}
