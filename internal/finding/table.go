// SPDX-License-Identifier: GPL-2.0-only

package finding

// Table is every row, in the order of fsck's passes.
func Table() [][]Row {
	return [][]Row{superRows, journalRows, prioRows, genRows, uuidRows, btreeRows, extentRows, spaceRows, backingRows}
}

// The codes, by the structure they are about.
const (
	SBOffset, SBMagic, SBChecksum, SBUUID          Code = "SB01", "SB02", "SB03", "SB04"
	SBBlockLogical, SBVersion, SBFeatures          Code = "SB05", "SB06", "SB07"
	SBJournalBuckets, SBNBuckets, SBBlock          Code = "SB08", "SB09", "SB10"
	SBBucket, SBDeviceSmall, SBSetUUID, SBNrInSet  Code = "SB11", "SB12", "SB13", "SB14"
	SBFirstBucket, SBReplacement, SBSyncLost       Code = "SB15", "SB16", "SB17"
	SBManyCaches, SBObsolete, SBJournalOdd         Code = "SB18", "SB19", "SB20"
	SBFirstOdd, SBGrown, SBLeftovers, SBOldUUIDs   Code = "SB21", "SB22", "SB23", "SB24"
	SBSignature, SBPages, SBDiscard, SBLabel       Code = "SB25", "SB26", "SB27", "SB28"
	SBByteOrder, SBNoGeometry, SBBucketBlocks      Code = "SB29", "SB30", "SB31"
	SBJournalEnd, SBSyncGone, SBJournalCut         Code = "SB32", "SB33", "SB34"
	JRNone, JRDamaged, JRTorn, JRGap, JRLost       Code = "JR01", "JR02", "JR03", "JR04", "JR05"
	JRDiscarded, JRVersion, JRLastSeq, JRTwice     Code = "JR06", "JR07", "JR08", "JR09"
	JROrder, JRPrioBucket, JRRoot, JRUUIDBucket    Code = "JR10", "JR11", "JR12", "JR13"
	JRLevel, JRKeys, JRKey, JRKeyOdd, JRFull       Code = "JR14", "JR15", "JR16", "JR17", "JR18"
	JRNearlyFull, JRFuture, JRUnread               Code = "JR19", "JR20", "JR21"
	PRChecksum, PRMagic, PRLoop, PRRange           Code = "PR01", "PR02", "PR03", "PR04"
	PRShared, PRSeq, PROdd, PRUnread, PRRewind     Code = "PR05", "PR06", "PR07", "PR08", "PR09"
	GNStale, GNAhead, GNMetadata, GNDataPrio       Code = "GN01", "GN02", "GN03", "GN04"
	UUPointer, UUDuplicate, UUInvalid, UULostDirty Code = "UU01", "UU02", "UU03", "UU04"
	UULostClean, UUInode, UUNoSlotDirty, UUFlash   Code = "UU05", "UU06", "UU07", "UU08"
	UURegTimes, UUFewSlots, UUSuspect, UUDestroyed Code = "UU09", "UU10", "UU11", "UU12"
	UUFlashEnd, UUUnread, UUWrittenBack            Code = "UU13", "UU14", "UU15"
	UUGarbage                                      Code = "UU16"
	BTHeader, BTVersion, BTMagic, BTChecksum       Code = "BT01", "BT02", "BT03", "BT04"
	BTEmpty, BTCorrupted, BTShort, BTLevel         Code = "BT05", "BT06", "BT07", "BT08"
	BTNoChild, BTOverrun, BTChild, BTDuplicate     Code = "BT09", "BT10", "BT11", "BT12"
	BTOrder, BTOverlap, BTKeyBits, BTTwice         Code = "BT13", "BT14", "BT15", "BT16"
	BTTiling, BTChildShape, BTZeroKey, BTSeqTwice  Code = "BT17", "BT18", "BT19", "BT20"
	BTUnread, BTReserved, BTSalvage, BTFill        Code = "BT21", "BT22", "BT23", "BT24"
	BTMissing                                      Code = "BT25"
	EXShort, EXPastEnd, EXCross, EXSize            Code = "EX01", "EX02", "EX03", "EX04"
	EXStaleDirty, EXMetadata, EXShared, EXAlign    Code = "EX05", "EX06", "EX07", "EX08"
	EXPtrDev, EXPlaceholder, EXDirtyNoPtr          Code = "EX09", "EX10", "EX11"
	EXPastBacking, EXReserved, EXStaleData         Code = "EX12", "EX13", "EX14"
	SPOverfull, SPReserve, SPGcSectors, SPDirty    Code = "SP01", "SP02", "SP03", "SP04"
	SPLeaked, SPMetadata                           Code = "SP05", "SP06"
	BDSuper, BDBlock, BDDuplicate, BDNoSlot        Code = "BD01", "BD02", "BD03", "BD04"
	BDNoRoom, BDStripes, BDOtherSet, BDState       Code = "BD05", "BD06", "BD07", "BD08"
	BDStateDirty, BDLabel, BDSignature, BDFields   Code = "BD09", "BD10", "BD11", "BD12"
	BDStranger, BDDropped, BDLeft, BDCutShort      Code = "BD13", "BD14", "BD15", "BD16"
)
