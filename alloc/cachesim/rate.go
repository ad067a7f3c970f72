// SPDX-License-Identifier: GPL-2.0-only

package cachesim

// The rate controller of writeback.c, with the kernel's defaults.
const (
	rateUpdate     = 5e9   // ns: writeback_rate_update_seconds
	proportionInv  = 40    // writeback_rate_p_term_inverse
	integralInv    = 10000 // writeback_rate_i_term_inverse
	shareShift     = 14    // WRITEBACK_SHARE_SHIFT
	idleRounds     = 6     // updates without a request after which the rate is set free
	rateAfterIdle  = 1
	writebackSlack = 1e6 // ns that the thread may be behind and still count as keeping up
)

// updateRate is update_writeback_rate().
func (s *Sim) updateRate(v *volume, now int64) {
	w := &v.wb
	if !w.hasDirty || s.cfg.WritebackPercent == 0 {
		return
	}
	s.idle++
	if n := s.attached(); s.idle >= n*n*idleRounds {
		s.maxRate = true
		w.rate = idleRate
		return
	}
	target := s.target(v)
	dirty := v.dirtySectors
	short := dirty - target
	proportional := max(short/proportionInv, s.fragmentTerm(dirty, short/proportionInv))
	if short < 0 && w.integral > 0 || short > 0 && now < w.next+writebackSlack {
		w.integral += short * (rateUpdate / 1e9)
	}
	w.rate = min(max(proportional+w.integral/integralInv, leastRate), mostRate)
}

// attached is how many volumes there are.
func (s *Sim) attached() (n int) {
	for _, v := range s.volumes {
		if v != nil {
			n++
		}
	}
	return n
}

// target is __calc_target_rate(): the volume's share of the dirty data. How large volumes are a trace does not tell;
// they are taken to end where requests did.
func (s *Sim) target(v *volume) int64 {
	all := uint64(0)
	for _, x := range s.volumes {
		if x != nil {
			all += max(x.end, 1)
		}
	}
	share := max(max(v.end, 1)<<shareShift/all, 1)
	size := uint64(s.cfg.Alloc.NBuckets) * uint64(s.cfg.Alloc.BucketSize)
	return int64(size * uint64(s.cfg.WritebackPercent) / 100 * share >> shareShift)
}

// fragmentTerm is what __update_writeback_rate() puts in the place of the proportional term where few dirty sectors take many
// buckets: since 5.12.
func (s *Sim) fragmentTerm(dirty, proportional int64) int64 {
	inUse := int64(s.c.InUse())
	if !s.cfg.Alloc.Model.StopsOnIODisable || inUse <= fragmentLow || dirty <= 0 {
		return proportional
	}
	buckets := int64(s.cfg.Alloc.NBuckets - s.c.Avail())
	fragment := buckets * int64(s.cfg.Alloc.BucketSize) / dirty
	if buckets == 0 || fragment <= 3 {
		return proportional
	}
	term := int64(0)
	switch {
	case inUse <= fragmentMid:
		term = fragmentTermLow * (inUse - fragmentLow)
	case inUse <= fragmentHigh:
		term = fragmentTermMid * (inUse - fragmentMid)
	default:
		term = fragmentTermTop * (inUse - fragmentHigh)
	}
	return dirty / buckets * term
}

// busy is what a request does to an idle cache: writeback begins again from the lowest rate.
func (s *Sim) busy() {
	s.idle = 0
	if !s.maxRate {
		return
	}
	s.maxRate = false
	for _, v := range s.volumes {
		if v != nil {
			v.wb.rate = rateAfterIdle
		}
	}
}
