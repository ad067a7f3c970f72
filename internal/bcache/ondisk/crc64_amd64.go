// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import "golang.org/x/sys/cpu"

//go:noescape
func crcClmul(crc uint64, p *byte, n int, k *crcFolds) uint64

//go:noescape
func crcVclmul256(crc uint64, p *byte, n int, k *crcFolds) uint64

//go:noescape
func crcVclmul512(crc uint64, p *byte, n int, k *crcFolds) uint64

func cpuid7() (ecx uint32)

// crcFolders are the ways to fold that this processor has, the fastest first.
func crcFolders() (f []crcFolder) {
	x := &cpu.X86
	if !x.HasPCLMULQDQ || !x.HasSSSE3 {
		return nil
	}
	// x/sys knows VPCLMULQDQ only beside AVX-512; there are processors with AVX2 alone.
	if wide := x.HasAVX2 && cpuid7()&(1<<10) != 0; wide {
		if x.HasAVX512F && x.HasAVX512BW {
			f = append(f, crcFolder{"vpclmulqdq-avx512", 256, crcVclmul512})
		}
		f = append(f, crcFolder{"vpclmulqdq-avx2", 128, crcVclmul256})
	}
	return append(f, crcFolder{"pclmulqdq", 64, crcClmul})
}
