// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

#include "textflag.h"

// func layRows(from *made, at, n int, rows *uint64, full *uint32, stride, size int) int
TEXT ·layRows(SB), NOSPLIT, $0-64
	MOVQ from+0(FP), SI
	LEAQ 1024(SI), DI // the rows are first, then the trays
	MOVQ at+8(FP), DX
	MOVQ n+16(FP), CX
	MOVQ rows+24(FP), R8
	MOVQ full+32(FP), R9
	MOVQ stride+40(FP), R10
	SHLQ $3, R10 // bytes
	MOVQ size+48(FP), R11

loop:
	CMPQ DX, CX
	JGE  done
	MOVL (DI)(DX*4), AX
	MOVQ (SI)(DX*8), R12
	MOVL (R9)(AX*4), BX
	MOVQ AX, R13
	IMULQ R10, R13
	ADDQ R8, R13
	MOVQ R12, (R13)(BX*8)
	PREFETCHT0 64(R13)(BX*8)
	INCL BX
	MOVL BX, (R9)(AX*4)
	INCQ DX
	CMPL BX, R11
	JNE  loop

done:
	MOVQ DX, ret+56(FP)
	RET
