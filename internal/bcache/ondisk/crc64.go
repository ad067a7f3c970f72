// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import "encoding/binary"

// crcTables[i][b] is what byte b contributes i bytes before the end of a step.
var crcTables = makeCrcTables()

// crcPoly is the polynomial without its highest power, 64.
const crcPoly = 0x42F0E1EBA9EA3693

func makeCrcTables() (t [16][256]uint64) {
	for b := range uint64(256) {
		crc := b << 56
		for range 8 {
			if crc>>63 != 0 {
				crc = crc<<1 ^ crcPoly
			} else {
				crc <<= 1
			}
		}
		t[0][b] = crc
	}
	for i := 1; i < 16; i++ {
		for b := range 256 {
			t[i][b] = t[i-1][b]<<8 ^ t[0][t[i-1][b]>>56]
		}
	}
	return t
}

// crcUpdate is crc64_be: polynomial 0x42F0E1EBA9EA3693, most significant bit first.
func crcUpdate(crc uint64, b []byte) uint64 {
	for i := range crcFast {
		if f := &crcFast[i]; len(b) >= f.least {
			n := len(b) &^ 15
			crc = f.fold(crc, &b[0], n, &crcFoldBy)
			b = b[n:]
			break
		}
	}
	return crcSliced(crc, b)
}

// crcSliced is crcUpdate by table: sixteen bytes a step, the rest by eight and by one.
func crcSliced(crc uint64, b []byte) uint64 {
	t := &crcTables
	for len(b) >= 16 {
		crc ^= binary.BigEndian.Uint64(b)
		low := binary.BigEndian.Uint64(b[8:])
		crc = t[15][crc>>56] ^ t[14][crc>>48&0xff] ^ t[13][crc>>40&0xff] ^ t[12][crc>>32&0xff] ^
			t[11][crc>>24&0xff] ^ t[10][crc>>16&0xff] ^ t[9][crc>>8&0xff] ^ t[8][crc&0xff] ^
			t[7][low>>56] ^ t[6][low>>48&0xff] ^ t[5][low>>40&0xff] ^ t[4][low>>32&0xff] ^
			t[3][low>>24&0xff] ^ t[2][low>>16&0xff] ^ t[1][low>>8&0xff] ^ t[0][low&0xff]
		b = b[16:]
	}
	for len(b) >= 8 {
		crc ^= binary.BigEndian.Uint64(b)
		crc = t[7][crc>>56] ^ t[6][crc>>48&0xff] ^ t[5][crc>>40&0xff] ^ t[4][crc>>32&0xff] ^
			t[3][crc>>24&0xff] ^ t[2][crc>>16&0xff] ^ t[1][crc>>8&0xff] ^ t[0][crc&0xff]
		b = b[8:]
	}
	for _, c := range b {
		crc = crc<<8 ^ t[0][byte(crc>>56)^c]
	}
	return crc
}

// Crc64 is bch_crc64: the checksum of superblocks, jsets, prio_sets and version 0 bsets.
func Crc64(b []byte) uint64 { return ^crcUpdate(^uint64(0), b) }

// Crc64Seeded is btree_csum_set's: it starts with the parent pointer's ptr[0] instead of all ones.
func Crc64Seeded(seed uint64, b []byte) uint64 { return ^crcUpdate(seed, b) }
