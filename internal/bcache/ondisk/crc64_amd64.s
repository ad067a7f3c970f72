// SPDX-License-Identifier: GPL-2.0-only

#include "textflag.h"

// The constants of a crcFolds, by their place in it.
#define F384 0
#define F256 16
#define F128 32
#define F512 64
#define F768 80
#define F1024 96
#define F1536 112
#define F2048 128
#define BARRETT 144

// Turns sixteen bytes around: the first of a message has the highest powers.
DATA ·turn+0(SB)/8, $0x08090a0b0c0d0e0f
DATA ·turn+8(SB)/8, $0x0001020304050607
GLOBL ·turn(SB), RODATA|NOPTR, $16

// X0 holds all of the message so far, CX bytes from SI on are left, a multiple of sixteen; X15 turns. Ends with the
// checksum in AX.
#define REST(more, done) \
	MOVOU F128(R8), X14 \
more: \
	CMPQ CX, $16 \
	JB   done \
	MOVOU (SI), X1 \
	PSHUFB X15, X1 \
	MOVOU X0, X2 \
	PCLMULQDQ $0x00, X14, X0 \
	PCLMULQDQ $0x11, X14, X2 \
	PXOR X2, X0 \
	PXOR X1, X0 \
	ADDQ $16, SI \
	SUBQ $16, CX \
	JMP  more \
done: \
	MOVOU BARRETT(R8), X13 \
	MOVOU X0, X1 \
	PCLMULQDQ $0x01, X14, X1 \
	PSLLDQ $8, X0 \
	PXOR X1, X0 \
	MOVOU X0, X1 \
	PCLMULQDQ $0x01, X13, X1 \
	PXOR X0, X1 \
	PCLMULQDQ $0x11, X13, X1 \
	PXOR X0, X1 \
	MOVQ X1, AX

// a *= k, with tmp for a while.
#define FOLD(a, k, tmp) \
	MOVOU a, tmp \
	PCLMULQDQ $0x00, k, a \
	PCLMULQDQ $0x11, k, tmp \
	PXOR tmp, a

// func crcClmul(crc uint64, p *byte, n int, k *crcFolds) uint64
TEXT ·crcClmul(SB), NOSPLIT, $0-40
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ k+24(FP), R8
	MOVOU ·turn(SB), X15
	MOVQ crc+0(FP), X4
	PSLLDQ $8, X4
	MOVOU (SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	PSHUFB X15, X0
	PSHUFB X15, X1
	PSHUFB X15, X2
	PSHUFB X15, X3
	PXOR X4, X0
	ADDQ $64, SI
	SUBQ $64, CX
	MOVOU F512(R8), X14

loop:
	CMPQ CX, $64
	JB   join
	MOVOU (SI), X8
	MOVOU 16(SI), X9
	MOVOU 32(SI), X10
	MOVOU 48(SI), X11
	FOLD(X0, X14, X4)
	FOLD(X1, X14, X5)
	FOLD(X2, X14, X6)
	FOLD(X3, X14, X7)
	PSHUFB X15, X8
	PSHUFB X15, X9
	PSHUFB X15, X10
	PSHUFB X15, X11
	PXOR X8, X0
	PXOR X9, X1
	PXOR X10, X2
	PXOR X11, X3
	ADDQ $64, SI
	SUBQ $64, CX
	JMP  loop

join:
	MOVOU F384(R8), X8
	MOVOU F256(R8), X9
	MOVOU F128(R8), X10
	FOLD(X0, X8, X4)
	FOLD(X1, X9, X5)
	FOLD(X2, X10, X6)
	PXOR X1, X0
	PXOR X3, X2
	PXOR X2, X0
	REST(more, done)
	MOVQ AX, ret+32(FP)
	RET

// a = a*k + data, data from memory.
#define FOLDY(a, k, turn, mem, t, u) \
	VPCLMULQDQ $0x00, k, a, t \
	VPCLMULQDQ $0x11, k, a, u \
	VMOVDQU mem, a \
	VPSHUFB turn, a, a \
	VPXOR t, a, a \
	VPXOR u, a, a

// sum += a*k
#define JOINY(a, k, sum, t, u) \
	VPCLMULQDQ $0x00, k, a, t \
	VPCLMULQDQ $0x11, k, a, u \
	VPXOR t, sum, sum \
	VPXOR u, sum, sum

// func crcVclmul256(crc uint64, p *byte, n int, k *crcFolds) uint64
TEXT ·crcVclmul256(SB), NOSPLIT, $0-40
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ k+24(FP), R8
	VBROADCASTI128 ·turn(SB), Y15
	VMOVQ crc+0(FP), X4
	VPSLLDQ $8, X4, X4
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VMOVDQU 64(SI), Y2
	VMOVDQU 96(SI), Y3
	VPSHUFB Y15, Y0, Y0
	VPSHUFB Y15, Y1, Y1
	VPSHUFB Y15, Y2, Y2
	VPSHUFB Y15, Y3, Y3
	VPXOR Y4, Y0, Y0
	ADDQ $128, SI
	SUBQ $128, CX
	VBROADCASTI128 F1024(R8), Y14

loop:
	CMPQ CX, $128
	JB   join
	FOLDY(Y0, Y14, Y15, (SI), Y4, Y5)
	FOLDY(Y1, Y14, Y15, 32(SI), Y6, Y7)
	FOLDY(Y2, Y14, Y15, 64(SI), Y8, Y9)
	FOLDY(Y3, Y14, Y15, 96(SI), Y10, Y11)
	ADDQ $128, SI
	SUBQ $128, CX
	JMP  loop

join:
	VBROADCASTI128 F768(R8), Y12
	VBROADCASTI128 F512(R8), Y13
	VBROADCASTI128 F256(R8), Y14
	JOINY(Y0, Y12, Y3, Y4, Y5)
	JOINY(Y1, Y13, Y3, Y6, Y7)
	JOINY(Y2, Y14, Y3, Y8, Y9)

pairs:
	CMPQ CX, $32
	JB   one
	FOLDY(Y3, Y14, Y15, (SI), Y4, Y5)
	ADDQ $32, SI
	SUBQ $32, CX
	JMP  pairs

one:
	VMOVDQU F128(R8), Y14
	VEXTRACTI128 $1, Y3, X0
	VPCLMULQDQ $0x00, X14, X3, X4
	VPCLMULQDQ $0x11, X14, X3, X5
	VPXOR X4, X0, X0
	VPXOR X5, X0, X0
	VZEROUPPER
	REST(more, done)
	MOVQ AX, ret+32(FP)
	RET

// a = a*k + data, data from memory.
#define FOLDZ(a, k, turn, mem, t, u) \
	VPCLMULQDQ $0x00, k, a, t \
	VPCLMULQDQ $0x11, k, a, u \
	VMOVDQU64 mem, a \
	VPSHUFB turn, a, a \
	VPTERNLOGQ $0x96, t, u, a

// sum += a*k
#define JOINZ(a, k, sum, t, u) \
	VPCLMULQDQ $0x00, k, a, t \
	VPCLMULQDQ $0x11, k, a, u \
	VPTERNLOGQ $0x96, t, u, sum

// func crcVclmul512(crc uint64, p *byte, n int, k *crcFolds) uint64
TEXT ·crcVclmul512(SB), NOSPLIT, $0-40
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ k+24(FP), R8
	VBROADCASTI32X4 ·turn(SB), Z15
	VMOVQ crc+0(FP), X4
	VPSLLDQ $8, X4, X4
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQU64 192(SI), Z3
	VPSHUFB Z15, Z0, Z0
	VPSHUFB Z15, Z1, Z1
	VPSHUFB Z15, Z2, Z2
	VPSHUFB Z15, Z3, Z3
	VPXORQ Z4, Z0, Z0
	ADDQ $256, SI
	SUBQ $256, CX
	VBROADCASTI32X4 F2048(R8), Z14

loop:
	CMPQ CX, $256
	JB   join
	FOLDZ(Z0, Z14, Z15, (SI), Z4, Z5)
	FOLDZ(Z1, Z14, Z15, 64(SI), Z6, Z7)
	FOLDZ(Z2, Z14, Z15, 128(SI), Z8, Z9)
	FOLDZ(Z3, Z14, Z15, 192(SI), Z10, Z11)
	ADDQ $256, SI
	SUBQ $256, CX
	JMP  loop

join:
	VBROADCASTI32X4 F1536(R8), Z12
	VBROADCASTI32X4 F1024(R8), Z13
	VBROADCASTI32X4 F512(R8), Z14
	JOINZ(Z0, Z12, Z3, Z4, Z5)
	JOINZ(Z1, Z13, Z3, Z6, Z7)
	JOINZ(Z2, Z14, Z3, Z8, Z9)

fours:
	CMPQ CX, $64
	JB   one
	FOLDZ(Z3, Z14, Z15, (SI), Z4, Z5)
	ADDQ $64, SI
	SUBQ $64, CX
	JMP  fours

one: // the lanes of Z3 by 384, 256, 128 and, which drops it, 0
	VMOVDQU64 F384(R8), Z14
	VPCLMULQDQ $0x00, Z14, Z3, Z4
	VPCLMULQDQ $0x11, Z14, Z3, Z5
	VPXORQ Z5, Z4, Z4
	VEXTRACTI64X4 $1, Z4, Y5
	VEXTRACTI32X4 $3, Z3, X0
	VPXOR Y5, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VPXOR X4, X0, X0
	VPXOR X5, X0, X0
	VZEROUPPER
	REST(more, done)
	MOVQ AX, ret+32(FP)
	RET

// func cpuid7() (ecx uint32): leaf 7, subleaf 0; the caller knows that there is one.
TEXT ·cpuid7(SB), NOSPLIT, $0-4
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL CX, ecx+0(FP)
	RET
