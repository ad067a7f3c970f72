// SPDX-License-Identifier: GPL-2.0-only

package workloads

// mersenne is MT19937, and around it what Python's random makes of it, so that a recipe gives the same requests here
// as where kernels were given them.
type mersenne struct {
	state [624]uint32
	at    int
}

// newMersenne is random.Random(seed).
func newMersenne(seed uint64) *mersenne {
	m := new(mersenne)
	m.state[0] = 19650218
	for i := uint32(1); i < 624; i++ {
		p := m.state[i-1]
		m.state[i] = 1812433253*(p^p>>30) + i
	}
	key := []uint32{uint32(seed)}
	if seed>>32 != 0 {
		key = append(key, uint32(seed>>32))
	}
	i, j := 1, 0
	next := func() {
		if i++; i == 624 {
			m.state[0], i = m.state[623], 1
		}
	}
	for range 624 {
		p := m.state[i-1]
		m.state[i] = (m.state[i] ^ (p^p>>30)*1664525) + key[j] + uint32(j)
		next()
		j = (j + 1) % len(key)
	}
	for range 623 {
		p := m.state[i-1]
		m.state[i] = (m.state[i] ^ (p^p>>30)*1566083941) - uint32(i)
		next()
	}
	m.state[0], m.at = 1<<31, 624
	return m
}

func (m *mersenne) next() uint32 {
	if m.at == 624 {
		s := &m.state
		for i := range s {
			y := s[i]&(1<<31) | s[(i+1)%624]&(1<<31-1)
			s[i] = s[(i+397)%624] ^ y>>1 ^ -(y&1)&0x9908b0df
		}
		m.at = 0
	}
	y := m.state[m.at]
	m.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// float is random().
func (m *mersenne) float() float64 {
	a, b := m.next()>>5, m.next()>>6
	return (float64(a)*(1<<26) + float64(b)) / (1 << 53)
}

// below is randrange(n), of n up to 2^32.
func (m *mersenne) below(n uint64) uint64 {
	bits := 0
	for n>>bits != 0 {
		bits++
	}
	for {
		if r := uint64(m.next()) >> (32 - bits); r < n {
			return r
		}
	}
}

func (m *mersenne) shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, int(m.below(uint64(i+1))))
	}
}
