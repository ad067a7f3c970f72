// SPDX-License-Identifier: GPL-2.0-only

#include "textflag.h"

// func prefetchSlots(table *byte, slots *uint32, n int, shift uint)
// A slot is 1<<shift bytes.
TEXT ·prefetchSlots(SB), NOSPLIT, $0-32
	MOVQ table+0(FP), DI
	MOVQ slots+8(FP), SI
	MOVQ n+16(FP), DX
	MOVQ shift+24(FP), CX

slot:
	DECQ DX
	JL   done
	MOVL (SI), AX
	ADDQ $4, SI
	SHLQ CX, AX
	PREFETCHT0 (DI)(AX*1)
	JMP  slot

done:
	RET
