# SPDX-License-Identifier: CC0-1.0
meta:
  id: bcache
  title: Linux bcache, a cache device or a backing device
  license: CC0-1.0
  endian: le
  bit-endian: le
doc: |
  The superblock stands at byte 4096 of every bcache device. Everything else is on the cache device, and is found from
  there: the journal's buckets are d[0..keys) of the superblock; the newest journal entry (jset) leads to the btree's
  root, to the uuid bucket and to the first bucket of the chain of prio sets. The other types are to be read at those
  places. Buckets are counted from byte 0 of the device; a sector is 512 bytes.

  A journal bucket holds jsets one after the other, each rounded up to whole blocks, until one whose magic or checksum
  is wrong. A btree node is a sequence of bsets, each rounded up to whole blocks, of one seq; the first block of another
  seq ends it.

  Magics: those of jset, prio_set and bset are a constant xor the first eight bytes
  of set_uuid: 0x245235c1a3625032, 0x6750e15f87337f91, 0x90135c78b99e07f5.

  Checksums: CRC-64, polynomial 0x42F0E1EBA9EA3693, most significant bit first, over what follows the checksum up to the
  last key (prio_set: up to the end of its bucket). Start and final xor are ~0, but a bset of version 1 starts with
  the 64-bit pointer that leads to its node.
instances:
  superblock:
    pos: 4096
    type: superblock
types:
  superblock:
    seq:
      - id: csum
        type: u8
      - id: offset
        type: u8
        doc: the superblock's own sector, 8
      - id: version
        type: u8
        enum: version
      - id: magic
        contents: [0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81]
      - id: uuid
        size: 16
      - id: set_uuid
        size: 16
      - id: label
        size: 32
        doc: text, up to the first zero byte
      - id: flags_low
        type: u4
        doc: "cache: bit 0 sync, 1 discard, 2 to 4 replacement. Backing: bits 0 to 3 cache mode"
      - id: flags_high
        type: u4
        doc: "backing: bits 29 and 30 state: 0 none, 1 clean, 2 dirty, 3 stale"
      - id: seq
        type: u8
      - id: feature_compat
        type: u8
      - id: feature_incompat
        type: u8
        doc: "of versions 5 and 6: bit 0 obsolete large buckets, bit 1 bucket_size is a logarithm"
      - id: feature_ro_compat
        type: u8
      - id: pad
        type: u8
        repeat: expr
        repeat-expr: 5
      - id: nbuckets
        type: u8
        doc: of a cache; of a backing device of versions 4 and 6, the sector where its data start
      - id: block_size
        type: u2
        doc: sectors
      - id: bucket_size
        type: u2
        doc: sectors, or their logarithm
      - id: nr_in_set
        type: u2
      - id: nr_this_dev
        type: u2
      - id: last_mount
        type: u4
        doc: seconds since 1970
      - id: first_bucket
        type: u2
      - id: keys
        type: u2
        doc: count of journal buckets
      - id: d
        type: u8
        repeat: expr
        repeat-expr: 256
        doc: the journal buckets
      - id: obso_bucket_size_hi
        type: u2
    instances:
      is_backing:
        value: version == version::backing or version == version::backing_with_offset or version == version::backing_with_features
      sync:
        value: (flags_low & 1) == 1
      cache_mode:
        value: flags_low & 15
      state:
        value: (flags_high >> 29) & 3
  jset:
    doc: a journal entry
    seq:
      - id: csum
        type: u8
      - id: magic
        size: 8
      - id: seq
        type: u8
      - id: version
        type: u4
      - id: words
        type: u4
        doc: of keys
      - id: last_seq
        type: u8
        doc: the oldest entry that a replay needs
      - id: uuid_bucket
        type: bkey
        size: 64
      - id: btree_root
        type: bkey
        size: 64
      - id: btree_level
        type: u2
      - id: pad
        type: u2
        repeat: expr
        repeat-expr: 3
      - id: prio_bucket
        type: u8
        repeat: expr
        repeat-expr: 8
        doc: the head of the prio chain, by number of the cache in its set
      - id: keys
        type: bkeys
        size: words * 8
  prio_set:
    doc: prios and gens of consecutive buckets, a metadata bucket full
    params:
      - id: bucket_bytes
        type: u4
        doc: of a metadata bucket, the bucket's size, but at most 4 MiB
    seq:
      - id: csum
        type: u8
      - id: magic
        size: 8
      - id: seq
        type: u8
      - id: version
        type: u4
      - id: pad
        type: u4
      - id: next_bucket
        type: u8
      - id: entries
        type: prio_entry
        repeat: expr
        repeat-expr: (bucket_bytes - 40) / 3
  prio_entry:
    seq:
      - id: prio
        type: u2
      - id: gen
        type: u1
  uuid_table:
    doc: the slots of the volumes; the number of a slot is the inode in the keys of its volume
    seq:
      - id: slots
        type: uuid_entry
        repeat: eos
  uuid_entry:
    seq:
      - id: uuid
        size: 16
        doc: zeroes, never used; a03ef8ed3ee1b878c850fc5ecb16cd99, detached
      - id: label
        size: 32
      - id: first_reg
        type: u4
      - id: last_reg
        type: u4
      - id: invalidated
        type: u4
      - id: flags
        type: u4
        doc: bit 0, a volume that lives in the cache alone
      - id: sectors
        type: u8
        doc: of such a volume
      - id: pad
        size: 56
  bset:
    doc: one write of a btree node
    seq:
      - id: csum
        type: u8
      - id: magic
        size: 8
      - id: seq
        size: 8
      - id: version
        type: u4
      - id: words
        type: u4
        doc: of keys
      - id: keys
        type: bkeys
        size: words * 8
  bkeys:
    seq:
      - id: keys
        type: bkey
        repeat: eos
  bkey:
    doc: |
      In a leaf and in a journal entry an extent: the sectors that end at end_sector, and where the cache has them. In an
      interior node a child: the last position below it, and where it stands.
    seq:
      - id: inode
        type: b20
      - id: size
        type: b16
        doc: sectors
      - id: dirty
        type: b1
      - id: pad2
        type: b18
      - id: pad1
        type: b1
      - id: csum
        type: b2
      - id: pad0
        type: b2
      - id: num_ptrs
        type: b3
      - id: header
        type: b1
      - id: end_low
        type: u4
      - id: end_high
        type: u4
        doc: two halves, for JavaScript has no integers of 64 bits
      - id: ptrs
        type: bptr
        repeat: expr
        repeat-expr: num_ptrs
    instances:
      end_sector:
        value: end_high * 4294967296 + end_low
  bptr:
    seq:
      - id: gen
        type: b8
      - id: offset_low
        type: b24
      - id: offset_high
        type: b19
      - id: dev
        type: b12
        doc: 4095 stands for no device, of a read that missed
      - id: unused
        type: b1
    instances:
      offset:
        value: offset_high * 16777216 + offset_low
        doc: the sector on the cache device
enums:
  version:
    0: cache
    1: backing
    3: cache_with_uuids
    4: backing_with_offset
    5: cache_with_features
    6: backing_with_features
