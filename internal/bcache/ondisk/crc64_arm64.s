// SPDX-License-Identifier: GPL-2.0-only

#include "textflag.h"

// a *= k, with t for a while.
#define FOLD(a, k, t) \
	VPMULL a.D1, k.D1, t.Q1 \
	VPMULL2 a.D2, k.D2, a.Q1 \
	VEOR t.B16, a.B16, a.B16

// Turns sixteen bytes around: the first of a message has the highest powers.
#define TURN(a) \
	VREV64 a.B16, a.B16 \
	VEXT $8, a.B16, a.B16, a.B16

// func crcPmull(crc uint64, p *byte, n int, k *crcFolds) uint64
TEXT ·crcPmull(SB), NOSPLIT, $0-40
	MOVD crc+0(FP), R3
	MOVD p+8(FP), R0
	MOVD n+16(FP), R1
	MOVD k+24(FP), R2
	VLD1.P 48(R2), [V20.B16, V21.B16, V22.B16] // by 384, 256, 128
	ADD $16, R2
	VLD1 (R2), [V23.B16] // by 512
	ADD $80, R2
	VLD1 (R2), [V24.B16] // for the last step
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]
	TURN(V0)
	TURN(V1)
	TURN(V2)
	TURN(V3)
	VEOR V4.B16, V4.B16, V4.B16
	VMOV R3, V4.D[1]
	VEOR V4.B16, V0.B16, V0.B16
	SUB $64, R1

loop:
	CMP $64, R1
	BLT join
	VLD1.P 64(R0), [V8.B16, V9.B16, V10.B16, V11.B16]
	FOLD(V0, V23, V4)
	FOLD(V1, V23, V5)
	FOLD(V2, V23, V6)
	FOLD(V3, V23, V7)
	TURN(V8)
	TURN(V9)
	TURN(V10)
	TURN(V11)
	VEOR V8.B16, V0.B16, V0.B16
	VEOR V9.B16, V1.B16, V1.B16
	VEOR V10.B16, V2.B16, V2.B16
	VEOR V11.B16, V3.B16, V3.B16
	SUB $64, R1
	B loop

join:
	FOLD(V0, V20, V4)
	FOLD(V1, V21, V5)
	FOLD(V2, V22, V6)
	VEOR V1.B16, V0.B16, V0.B16
	VEOR V3.B16, V2.B16, V2.B16
	VEOR V2.B16, V0.B16, V0.B16

more:
	CMP $16, R1
	BLT done
	VLD1.P 16(R0), [V8.B16]
	TURN(V8)
	FOLD(V0, V22, V4)
	VEOR V8.B16, V0.B16, V0.B16
	SUB $16, R1
	B more

done:
	// T = hi * x^128 + lo * x^64
	VEOR V6.B16, V6.B16, V6.B16
	VEXT $8, V0.B16, V0.B16, V1.B16   // hi is low now
	VPMULL V1.D1, V22.D1, V2.Q1
	VEXT $8, V0.B16, V6.B16, V1.B16   // lo is high, 0 below
	VEOR V2.B16, V1.B16, V0.B16       // T
	// q = T.hi + the upper half of T.hi * mu
	VEXT $8, V0.B16, V0.B16, V1.B16
	VPMULL V1.D1, V24.D1, V2.Q1
	VEOR V0.B16, V2.B16, V2.B16
	// the lower half of T + q * poly
	VPMULL2 V2.D2, V24.D2, V3.Q1
	VEOR V0.B16, V3.B16, V3.B16
	VMOV V3.D[0], R0
	MOVD R0, ret+32(FP)
	RET
