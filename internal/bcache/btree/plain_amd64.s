// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

#include "textflag.h"

// Eight keys of three words stand in three registers. These say which word of the first two, and then of those and the
// third, is whose: two for the high words, two for the low words.
DATA ·thirds+0(SB)/8, $0x00000f0c09060300
DATA ·thirds+8(SB)/8, $0x0d0a050403020100
DATA ·thirds+16(SB)/8, $0x0000000d0a070401
DATA ·thirds+24(SB)/8, $0x0e0b080403020100
GLOBL ·thirds(SB), RODATA|NOPTR, $32

// func plainEight(keys *byte, groups int, k *plainArgs) (done int)
TEXT ·plainEight(SB), NOSPLIT, $0-32
	MOVQ keys+0(FP), SI
	MOVQ groups+8(FP), CX
	MOVQ k+16(FP), R8
	LEAQ ·thirds(SB), R10
	VPMOVZXBQ 0(R10), Z12
	VPMOVZXBQ 8(R10), Z13
	VPMOVZXBQ 16(R10), Z14
	VPMOVZXBQ 24(R10), Z15
	VPBROADCASTQ 0(R8), Z31 // the bits that matter
	VPBROADCASTQ 8(R8), Z30 // and what they are
	VPBROADCASTQ 16(R8), Z29 // the last end
	VPTERNLOGQ $0xff, Z28, Z28, Z28
	VPSRLQ $48, Z28, Z21 // 16 bits
	VPSRLQ $44, Z28, Z22 // 20 bits
	VPXORQ Z9, Z9, Z9 // the inodes before
	VPXORQ Z10, Z10, Z10 // and where their keys end
	XORL DX, DX

loop:
	CMPQ DX, CX
	JGE  done
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQA64 Z0, Z3
	VPERMT2Q Z1, Z12, Z3
	VPERMT2Q Z1, Z14, Z0
	VPERMT2Q Z2, Z13, Z3 // high
	VPERMT2Q Z2, Z15, Z0 // low
	VPANDQ Z31, Z3, Z4
	VPCMPEQQ Z30, Z4, K1
	VPSRLQ $20, Z3, Z5
	VPANDQ Z21, Z5, Z5 // the size
	VPTESTMQ Z5, Z5, K1, K1
	VPCMPUQ $2, Z0, Z5, K1, K1 // at most
	VPCMPUQ $2, Z29, Z0, K1, K1
	VPSUBQ Z5, Z0, Z5 // where they start
	VPANDQ Z22, Z3, Z6 // the inode
	VALIGNQ $7, Z9, Z6, Z7 // those one before
	VALIGNQ $7, Z10, Z0, Z8
	VPCMPUQ $6, Z7, Z6, K2 // above
	VPCMPEQQ Z7, Z6, K3
	VPCMPUQ $5, Z8, Z5, K3, K3 // at least
	KORW K2, K3, K3
	KANDW K1, K3, K1
	KMOVW K1, AX
	CMPL AX, $0xff
	JNE  done
	VMOVDQA64 Z6, Z9
	VMOVDQA64 Z0, Z10
	ADDQ $192, SI
	INCQ DX
	JMP  loop

done:
	VZEROUPPER
	MOVQ DX, done+24(FP)
	RET
