// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

#include "textflag.h"

// Eight keys of three words stand in three registers. These say which word of the first two, and then of those and the
// third, is whose: two for the high words, two for the low words, two for the pointers.
DATA ·thirds+0(SB)/8, $0x00000f0c09060300
DATA ·thirds+8(SB)/8, $0x0d0a050403020100
DATA ·thirds+16(SB)/8, $0x0000000d0a070401
DATA ·thirds+24(SB)/8, $0x0e0b080403020100
DATA ·thirds+32(SB)/8, $0x0000000e0b080502
DATA ·thirds+40(SB)/8, $0x0f0c090403020100
GLOBL ·thirds(SB), RODATA|NOPTR, $48

// func likeEight(keys *byte, groups int, k *likeArgs, out *made) (done int)
TEXT ·likeEight(SB), NOSPLIT, $0-40
	MOVQ keys+0(FP), SI
	MOVQ groups+8(FP), CX
	MOVQ k+16(FP), R8
	MOVQ out+24(FP), DI
	LEAQ 1024(DI), R9 // the rows are first, then the trays
	LEAQ ·thirds(SB), R10
	VPMOVZXBQ 0(R10), Z12
	VPMOVZXBQ 8(R10), Z13
	VPMOVZXBQ 16(R10), Z14
	VPMOVZXBQ 24(R10), Z15
	VPMOVZXBQ 32(R10), Z16
	VPMOVZXBQ 40(R10), Z17
	VPBROADCASTQ 0(R8), Z31 // the inode
	VPBROADCASTQ 8(R8), Z30 // where it ends
	VPBROADCASTQ 16(R8), Z29 // the device, in its place
	VPBROADCASTQ 24(R8), Z28 // the first bucket
	VPBROADCASTQ 32(R8), Z27 // how many there are
	VPBROADCASTQ 40(R8), Z26 // a bucket's size
	VPBROADCASTQ 48(R8), Z24 // the bits of a part of a block
	VPBROADCASTQ 56(R8), Z23 // the slot
	VMOVQ 64(R8), X11 // a bucket's size is 1 shifted by that
	VPTERNLOGQ $0xff, Z25, Z25, Z25
	VPSRLQ $48, Z25, Z21 // 16 bits
	VPSRLQ $44, Z25, Z22 // 20 bits
	VPSRLQ $21, Z25, Z20 // 43 bits
	VPSLLQ $52, Z25, Z19
	VPSRLQ $1, Z19, Z19 // 12 bits, of the device: 51 to 62
	VPADDQ Z25, Z26, Z25 // a bucket's size less one
	MOVQ $0x10000000000, AX
	VPBROADCASTQ AX, Z18 // dirty, in a row
	VPXORQ Z1, Z1, Z1
	VMOVDQU64 Z1, 1536(DI)
	VMOVDQU64 Z1, 1600(DI)
	LEAQ 1536(DI), R11
	XORL DX, DX

loop:
	CMPQ DX, CX
	JGE  done
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQA64 Z0, Z3
	VMOVDQA64 Z0, Z4
	VPERMT2Q Z1, Z12, Z3
	VPERMT2Q Z1, Z14, Z4
	VPERMT2Q Z1, Z16, Z0
	VPERMT2Q Z2, Z13, Z3 // high
	VPERMT2Q Z2, Z15, Z4 // low
	VPERMT2Q Z2, Z17, Z0 // the pointer
	VPSRLQ $20, Z3, Z5
	VPANDQ Z21, Z5, Z5 // the size
	VPSRLQ $8, Z0, Z6
	VPANDQ Z20, Z6, Z6 // where
	VPSRLQ X11, Z6, Z7 // the bucket
	VPANDQ Z25, Z6, Z8 // where in it
	VPANDQ Z22, Z3, Z9
	VPCMPEQQ Z31, Z9, K1
	VPANDQ Z19, Z0, Z9
	VPCMPEQQ Z29, Z9, K1, K1
	VPSUBQ Z28, Z7, Z9
	VPCMPUQ $1, Z27, Z9, K1, K1 // below
	VPADDQ Z5, Z8, Z9
	VPCMPUQ $2, Z26, Z9, K1, K1 // at most
	VPORQ Z4, Z5, Z9
	VPORQ Z6, Z9, Z9
	VPTESTNMQ Z24, Z9, K1, K1
	VPCMPUQ $2, Z30, Z4, K1, K1
	KMOVW K1, AX
	CMPL AX, $0xff
	JNE  done

	VPSLLQ $52, Z7, Z9
	VPSRLQ $4, Z9, Z9 // twelve bits of the bucket, from 48 on
	VPSLLQ $4, Z3, Z10
	VPANDQ Z18, Z10, Z10
	VPTERNLOGQ $0xfe, Z23, Z10, Z9
	VPTESTMQ Z10, Z10, K2
	VPSLLQ $56, Z0, Z10
	VPSRLQ $24, Z10, Z10 // the gen, from 32 on
	VPSLLQ $16, Z8, Z8
	VPTERNLOGQ $0xfe, Z10, Z8, Z9
	VPORQ Z5, Z9, Z9
	VMOVDQU64 Z9, (DI)
	VPSRLQ $12, Z7, Z7
	VPMOVQD Z7, Y7
	VMOVDQU Y7, (R9)
	VPADDQ (R11), Z5, Z9
	VMOVDQU64 Z9, (R11)
	VMOVDQU64 64(R11), Z9
	VPADDQ Z5, Z9, K2, Z9
	VMOVDQU64 Z9, 64(R11)
	ADDQ $192, SI
	ADDQ $64, DI
	ADDQ $32, R9
	INCQ DX
	JMP  loop

done:
	VZEROUPPER
	MOVQ DX, done+32(FP)
	RET
