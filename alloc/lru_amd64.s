// SPDX-License-Identifier: GPL-2.0-only

#include "textflag.h"

// func belowAVX2(keys *uint32, n int, top uint32, first uint32, out *uint32) int
// n is a multiple of 32, top not 0.
TEXT ·belowAVX2(SB), NOSPLIT, $0-40
	MOVQ keys+0(FP), SI
	MOVQ n+8(FP), CX
	MOVL top+16(FP), AX
	MOVL first+20(FP), R8
	MOVQ out+24(FP), DI
	DECL AX
	VMOVD AX, X0
	VPBROADCASTD X0, Y0

block:
	PREFETCHT0 2048(SI)
	PREFETCHT0 2112(SI)
	SUBQ $32, CX
	JB   done
	VMOVDQU (SI), Y1
	VMOVDQU 32(SI), Y2
	VMOVDQU 64(SI), Y3
	VMOVDQU 96(SI), Y4
	VPMINUD Y0, Y1, Y5
	VPMINUD Y0, Y2, Y6
	VPMINUD Y0, Y3, Y7
	VPMINUD Y0, Y4, Y8
	VPCMPEQD Y1, Y5, Y5
	VPCMPEQD Y2, Y6, Y6
	VPCMPEQD Y3, Y7, Y7
	VPCMPEQD Y4, Y8, Y8
	VMOVMSKPS Y5, AX
	VMOVMSKPS Y6, BX
	VMOVMSKPS Y7, DX
	VMOVMSKPS Y8, R9
	SHLL $8, BX
	SHLL $16, DX
	SHLL $24, R9
	ORL  BX, AX
	ORL  R9, DX
	ORL  DX, AX
	JNZ  some

next:
	ADDQ $128, SI
	ADDL $32, R8
	JMP  block

some:
	BSFL AX, BX
	LEAL -1(AX), DX
	ADDL R8, BX
	MOVL BX, (DI)
	ADDQ $4, DI
	ANDL DX, AX
	JNZ  some
	JMP  next

done:
	VZEROUPPER
	SUBQ out+24(FP), DI
	SHRQ $2, DI
	MOVQ DI, ret+32(FP)
	RET

// A level down from node i, x on its way, its weight alone in limit: to the heavier child, c, which moves up. Goes to rest
// where that is lighter than x.
#define LEVEL(i, c, limit, rest) \
	LEAQ (i)(i*1), c \
	MOVL 4(DI)(c*8), AX \
	CMPL AX, 12(DI)(c*8) \
	ADCQ $0, c \
	MOVQ (DI)(c*8), AX \
	CMPQ AX, limit \
	JB   rest \
	MOVQ AX, (DI)(i*8)

// The same without a branch: once x is placed, limit is ONES, and x is what stood where it went, which is put back.
#define LASTLEVEL(i, c, x, limit, ONES) \
	LEAQ (i)(i*1), c \
	MOVL 4(DI)(c*8), AX \
	CMPL AX, 12(DI)(c*8) \
	ADCQ $0, c \
	MOVQ (DI)(c*8), AX \
	MOVQ AX, BX \
	CMPQ AX, limit \
	CMOVQCS x, BX \
	CMOVQCS AX, x \
	CMOVQCS ONES, limit \
	MOVQ BX, (DI)(i*8)

// func sinkAll(nodes *uint64, s *sinking, stages, last int, n uint, keys, found *uint32, nfound int)
// At least one stage, and two levels in the last.
TEXT ·sinkAll(SB), NOSPLIT, $0-64
	MOVQ nodes+0(FP), DI
	MOVQ s+8(FP), SI
	MOVQ keys+40(FP), R12
	MOVQ found+48(FP), R13
	MOVQ $-1, R15

candidate:
	DECQ nfound+56(FP)
	JL   done
	MOVL (R13), R9
	ADDQ $4, R13
	MOVL (R12)(R9*4), R10
	INCL R10
	CMPL R10, 12(DI)
	JAE  candidate
	SHLQ $32, R10
	ORQ  R10, R9 // x, and its weight alone in R10

	// The eldest to its end.
	MOVQ stages+16(FP), CX
	SHLQ $4, CX
	ADDQ SI, CX // behind the eldest
	MOVQ -16(CX), R8
	TESTQ R8, R8
	JZ   advance
	MOVQ -8(CX), R11
	MOVQ R11, R14
	SHRQ $32, R14
	SHLQ $32, R14
	MOVQ last+24(FP), R10
	LASTLEVEL(R8, DX, R11, R14, R15)
	SUBQ $2, R10

lastlevels:
	LASTLEVEL(DX, R8, R11, R14, R15)
	MOVQ R8, DX
	DECQ R10
	JGE  lastlevels
	LEAQ (R8)(R8*1), DX
	CMPQ DX, n+32(FP)
	JEQ  lone

placed:
	MOVQ R11, (DI)(R8*8)

	// Each younger one two levels on.
advance:
	SUBQ $16, CX
	CMPQ CX, SI
	JEQ  youngest
	MOVQ -16(CX), R8
	TESTQ R8, R8
	JZ   nobody
	MOVQ -8(CX), R11
	MOVQ R11, R14
	SHRQ $32, R14
	SHLQ $32, R14
	LEVEL(R8, DX, R14, rest1)
	LEVEL(DX, R8, R14, rest2)
	MOVQ R8, (CX)
	MOVQ R11, 8(CX)
	JMP  advance

rest1:
	MOVQ R11, (DI)(R8*8)
	XORL R8, R8
	MOVQ R8, (CX)
	JMP  advance

rest2:
	MOVQ R11, (DI)(DX*8)
	XORL R8, R8

nobody:
	MOVQ R8, (CX)
	JMP  advance

youngest:
	MOVQ R9, R14
	SHRQ $32, R14
	SHLQ $32, R14
	MOVL $1, R8
	LEVEL(R8, DX, R14, rest3)
	LEVEL(DX, R8, R14, rest4)
	MOVQ R8, (SI)
	MOVQ R9, 8(SI)
	JMP  candidate

rest3:
	MOVQ R9, (DI)(R8*8)
	MOVQ $0, (SI)
	JMP  candidate

rest4:
	MOVQ R9, (DI)(DX*8)
	MOVQ $0, (SI)
	JMP  candidate

lone: // node n is a level deeper than all others
	MOVQ (DI)(DX*8), AX
	CMPQ AX, R14
	JB   placed
	MOVQ AX, (DI)(R8*8)
	MOVQ DX, R8
	JMP  placed

done:
	RET

// func rescaleAVX2(buckets *bucket, n int, by uint16, low *[4]uint64)
// n is a multiple of 4. Of each bucket, a quarter of a register, the first 16 bits are the prio and the last the pin.
TEXT ·rescaleAVX2(SB), NOSPLIT, $0-32
	MOVQ buckets+0(FP), SI
	MOVQ n+8(FP), CX
	MOVWLZX by+16(FP), AX
	MOVQ low+24(FP), DI
	VMOVQ AX, X7
	VPBROADCASTQ X7, Y7
	VPXOR Y0, Y0, Y0
	VPCMPEQD Y1, Y1, Y1 // all ones
	VMOVDQA Y1, Y2 // the lowest prio
	SHRQ $2, CX
	JZ   rescaled

four:
	VMOVDQU (SI), Y3
	VPCMPEQW Y3, Y0, Y4
	VPCMPEQW Y3, Y1, Y5
	VPSRLQ $48, Y4, Y6 // not pinned
	VPANDN Y6, Y5, Y6 // 65535 stays
	VPAND Y7, Y6, Y4
	VPSUBUSW Y4, Y3, Y4
	VMOVDQU Y4, (SI)
	VPMAXUW Y7, Y3, Y5
	VPCMPEQW Y5, Y3, Y5 // there was as much, or more
	VPAND Y5, Y6, Y6
	VPANDN Y1, Y6, Y6
	VPOR Y6, Y4, Y4
	VPMINUW Y4, Y2, Y2
	ADDQ $32, SI
	DECQ CX
	JNZ  four

rescaled:
	VMOVDQU Y2, (DI)
	VZEROUPPER
	RET

DATA keysOf<>+0(SB)/4, $0xffff // prio
DATA keysOf<>+4(SB)/4, $0x1fff // sectors
DATA keysOf<>+8(SB)/4, $0x20000 // the mark of what may not go
DATA keysOf<>+12(SB)/4, $0xff // gens
DATA keysOf<>+16(SB)/4, $96
GLOBL keysOf<>(SB), RODATA|NOPTR, $20

// func keysAVX2(buckets *bucket, n int, base uint32, keys *uint32)
// n is a multiple of 8. The first halves of eight buckets, prio and mark, go into one register, the others, gens and pin, into
// another: as 0 1 4 5 2 3 6 7, for that is what the processor can do at once.
TEXT ·keysAVX2(SB), NOSPLIT, $0-32
	MOVQ buckets+0(FP), SI
	MOVQ n+8(FP), CX
	MOVL base+16(FP), AX
	MOVQ keys+24(FP), DI
	VMOVD AX, X15
	VPBROADCASTD X15, Y15
	VPBROADCASTD keysOf<>+0(SB), Y14
	VPBROADCASTD keysOf<>+4(SB), Y13
	VPBROADCASTD keysOf<>+8(SB), Y12
	VPBROADCASTD keysOf<>+12(SB), Y11
	VPBROADCASTD keysOf<>+16(SB), Y10
	VPXOR Y9, Y9, Y9
	VPCMPEQD Y8, Y8, Y8 // all ones
	SHRQ $3, CX
	JZ   weighed

weigh:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VSHUFPS $0x88, Y1, Y0, Y2
	VSHUFPS $0xdd, Y1, Y0, Y3
	VPAND Y14, Y2, Y4
	VPADDD Y15, Y4, Y4 // prio
	VPSRLD $18, Y2, Y5
	VPAND Y13, Y5, Y5 // sectors
	VPMULLD Y4, Y5, Y6
	VPSRLD $17, Y4, Y4
	VPCMPEQD Y9, Y4, Y4
	VPCMPEQD Y9, Y5, Y5
	VPOR Y4, Y5, Y4 // narrow
	VPAND Y4, Y6, Y6
	VPANDN Y8, Y4, Y4
	VPSLLD $1, Y4, Y4
	VPOR Y4, Y6, Y6 // or keyWide
	VPAND Y12, Y2, Y2
	VPSRLD $16, Y3, Y0
	VPOR Y0, Y2, Y2
	VPCMPEQD Y9, Y2, Y2 // neither held nor marked
	VPSRLD $8, Y3, Y1
	VPSUBB Y1, Y3, Y3
	VPAND Y11, Y3, Y3
	VPCMPGTD Y3, Y10, Y3 // young enough
	VPAND Y2, Y3, Y3
	VPANDN Y8, Y3, Y3
	VPOR Y3, Y6, Y6 // or keyNone
	VPERMQ $0xd8, Y6, Y6
	VMOVDQU Y6, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	DECQ CX
	JNZ  weigh

weighed:
	VZEROUPPER
	RET
