// SPDX-License-Identifier: GPL-2.0-only

// Package alloc is bcache's bucket allocator, decision for decision, as
// drivers/md/bcache/alloc.c of Linux 7.2, 6.12, 6.2, 5.8
// and 4.6 makes them.
//
// # A bucket's life
//
// The device is cut into buckets, and a bucket is used whole or not at all.
// Of each bucket the allocator knows:
//
//	Gen     goes up when the bucket is reused. Every pointer carries the gen
//	        of its time, and one that is behind its bucket's is stale: this
//	        is how a bucket is emptied without touching the pointers into it.
//	LastGC  the gen of the oldest pointer into it. Gens have 8 bits, so one
//	        that is 96 ahead of it must not go on before gc has run.
//	Prio    recency: 32768 on use, 65535 for metadata, counted down for all
//	        by rescaling, once every 1/1024 of the device's size in traffic.
//	Pin     who holds it just now; a pinned bucket is not invalidated.
//	GCMark  what gc found in it: nothing, clean data, dirty data, metadata;
//	        and Used, how many sectors of it.
//
//	                    take                     data expire, gc
//	  free list ------------------> in use -----------------------> free or
//	     ^          pin = 1                     put: pin = 0        reclaimable
//	     |          mark, used set                                     |
//	     | move                                                        | invalidate
//	     |                                                             | gen + 1
//	     |  discard      gens on disk                                  | pin = 1
//	   hand <---------- (prio_write) <--------- free_inc <-------------+
//
// Which of the free and reclaimable buckets are invalidated is the policy: LRU
// takes those where (prio above the lowest, plus an eighth) times Used is
// least, FIFO goes round, Random draws.
//
// # The lists
//
// Buckets ready for use lie on four free lists, the reserves. The allocator
// offers each new one to prio first, then to btree, prio, movinggc, none: prio
// sets come first because nothing becomes free before gens are written, and
// data come last. Whoever wants a bucket is first given one of none, and only
// then one of his own reserve.
//
// Before them comes free_inc, the buckets invalidated but not yet safe to
// write to: after a crash an old pointer would still match the old gen on
// disk. When it is full one prio_write saves all gens at once, to buckets that
// it takes itself, and then they all may go. On a device without Sync, one
// that no crash can lead back to, they go at once.
//
// # Who waits for what
//
//	the allocator thread
//	  push          until a free list has room; it holds one bucket meanwhile
//	  gc            it found too little to invalidate, or gc is under way
//	  prio_blocked  btree nodes are being rewritten, gens may not be written
//	  bucket        4.6 only: its own prio_write waits for the buckets that
//	                only it could free
//	a user          until the thread has put a bucket on any list
//	gc              for nobody; the thread asks for it
//
// There are no threads here. A [Cache] is a state machine: calls such as
// [Cache.Alloc] and [Cache.GCFinish] make the allocator runnable, [Cache.Step]
// lets it run to where it would sleep next, and [Cache.Run] does so until
// nothing is left to do. Nothing happens at any other time, so that a run is
// the same every time.
//
// # Where this differs from the kernel
//
// The kernel weighs every bucket for every refill of free_inc. Here weights
// are kept, and only blocks of buckets that hold a light enough one are looked
// at; weights.go and heap.go take care that the same buckets come out in the
// same order, also among equals. The tests hold all of it to a second model
// that does as the kernel does, and that one to the kernel's own output.
package alloc
