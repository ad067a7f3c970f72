// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A generator writes a random script, and runs each line through the slow
// model as it goes: which pins may be dropped depends on what came out.
type generator struct {
	*rand.Rand
	k     *slowKernel
	text  strings.Builder
	parks int
}

// generate returns a script and its output.
func generate(rng *rand.Rand, policy, model string) (text, want string) {
	g := &generator{Rand: rng, k: newSlowKernel(model)}
	g.configure(policy)
	g.k.setup()
	g.prepare()
	for range 30 + g.IntN(170) {
		g.anyOp()
	}
	g.line("hash")
	g.line("state")
	g.k.finish()
	return g.text.String(), g.k.out.String()
}

func (g *generator) line(format string, a ...any) {
	s := fmt.Sprintf(format, a...)
	g.text.WriteString(s + "\n")
	g.k.exec(s)
}

func pickOne[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) configure(policy string) {
	size := pickOne(g, 8, 8, 16, 16, 32, 64, 64, 128, 512, 1024, 8192, 16384)
	g.line("config nbuckets=%d bucket_size=%d block_size=%d first_bucket=%d",
		pickOne(g, 513, 513, 520, 600, 600, 777, 1024, 1025, 2049, 4097), size,
		pickOne(g, 1, 2, 8), pickOne(g, 1, 1, 2, 10))
	g.line("config policy=%s discard=%d sync=%d seed=%d njournal=%d", policy,
		pickOne(g, 0, 0, 1), pickOne(g, 0, 1, 1), g.Uint64(), pickOne(g, 0, 0, 2, 4, 5, 32))
	g.line("config sched=%s autogc=%d", pickOne(g, "eager", "eager", "lazy"), pickOne(g, 1, 1, 1, 0))
}

// prepare makes a device of some kind and starts it.
func (g *generator) prepare() {
	if g.IntN(3) == 0 {
		g.line("uuid %d flash", g.inode())
	}
	if g.IntN(2) == 0 {
		g.scatter()
	}
	if g.IntN(3) == 0 { // few buckets to be had
		keep := g.bucket()
		g.line("mark %d-%d %s", keep, g.k.nbuckets-1, pickOne(g, "dirty", "metadata"))
		g.line("used %d-%d 8191", keep, g.k.nbuckets-1)
	}
	if g.IntN(4) == 0 {
		g.line("rescale %d", 1+g.IntN(g.k.nbuckets*g.k.bucketSize/100))
	}
	if g.IntN(4) == 0 { // most prios below min_prio: they wrap to the heaviest weights
		g.line("prio %d-%d 30000", g.k.first, g.k.nbuckets-1)
		g.line("rescale %d", 1+g.k.nbuckets*g.k.bucketSize/1024)
		a := pickOne(g, g.k.first, g.bucket())
		g.line("scatter prio %d 0 %d %d-%d", g.Uint64()>>1, pickOne(g, 3, 400, 29999), a, g.k.nbuckets-1)
		g.line("used %d-%d %d", a, g.k.nbuckets-1, pickOne(g, 1, 8, 64))
	}
	switch kind := pickOne(g, "fresh", "fresh", "existing", "existing", "bare"); kind {
	case "fresh":
		g.line("sync 0")
		g.line("start fresh")
		g.line("sync %d", pickOne(g, 0, 1, 1))
	case "existing":
		if g.IntN(2) == 0 {
			g.line("prio_slot %d %d", g.IntN(len(g.k.prioCur)), g.bucket())
		}
		fallthrough
	default:
		g.line("start %s", kind)
	}
}

// scatter gives every bucket random fields, with many ties or with few, and
// sometimes prios below what rescaling will call the lowest.
func (g *generator) scatter() {
	g.line("scatter gen %d 0 %d", g.Uint64()>>1, pickOne(g, 0, 3, 255))
	g.line("scatter age %d 0 %d", g.Uint64()>>1, pickOne(g, 0, 60, 96, 97, 255))
	r := pickOne(g, [2]int{0, 3}, [2]int{30000, 32768}, [2]int{0, 65535}, [2]int{1, 32768}, [2]int{0, 100})
	g.line("scatter prio %d %d %d", g.Uint64()>>1, r[0], r[1])
	r = pickOne(g, [2]int{0, 1}, [2]int{1, 2}, [2]int{0, 3}, [2]int{1, 1}, [2]int{2, 3})
	g.line("scatter mark %d %d %d", g.Uint64()>>1, r[0], r[1])
	g.line("scatter used %d 0 %d", g.Uint64()>>1, pickOne(g, 1, 4, 64, g.k.bucketSize))
}

func (g *generator) bucket() int { return g.k.first + g.IntN(g.k.nbuckets-g.k.first) }
func (g *generator) inode() int  { return pickOne(g, 0, 1, 2, 3, 9, 700) }

// buckets is one bucket or a range.
func (g *generator) buckets() string {
	a := g.bucket()
	if g.IntN(2) == 0 {
		return fmt.Sprint(a)
	}
	return fmt.Sprintf("%d-%d", a, min(a+g.IntN(40), g.k.nbuckets-1))
}

func (g *generator) mode() string {
	if g.IntN(8) == 0 {
		g.parks++
		return fmt.Sprintf("park=p%d", g.parks)
	}
	return pickOne(g, "wait", "nowait")
}

func (g *generator) anyOp() {
	switch n := g.IntN(100); {
	case n < 38:
		g.line("alloc %s %s", pickOne(g, "none", "none", "none", "btree", "prio", "movinggc"), g.mode())
	case n < 50:
		g.line("alloc_sectors %s %s", g.request(), g.mode())
	case n < 55:
		g.line("write %s %s", g.request(), pickOne(g, "writeback", "writethrough"))
	case n < 72:
		g.put()
	case n < 84:
		g.fieldOp()
	case n < 88:
		g.line("rescale %d", pickOne(g, 1, g.k.bucketSize, g.k.nbuckets*g.k.bucketSize/1024, g.k.nbuckets*g.k.bucketSize/64))
	case n < 91:
		g.gc()
	case n < 93:
		g.line("run")
	case n < 94:
		g.line("state short")
	default:
		g.rareOp()
	}
}

func (g *generator) request() string {
	offset := pickOne(g, 0, 8, 64, g.IntN(1<<20))
	if o := g.k.open[len(g.k.open)-1-g.IntN(3)]; g.IntN(3) == 0 { // go on where another ended
		return fmt.Sprintf("%d %d %d %d %d", o.inode, o.offset, 1+g.IntN(g.k.bucketSize*2), g.IntN(5), g.IntN(4)/3)
	}
	return fmt.Sprintf("%d %d %d %d %d", g.inode(), offset, 1+g.IntN(g.k.bucketSize), g.IntN(5), g.IntN(4)/3)
}

// put drops some of the pins that allocations took.
func (g *generator) put() {
	for range 1 + g.IntN(8) {
		if len(g.k.held) == 0 {
			return
		}
		i := g.IntN(len(g.k.held))
		b := g.k.held[i]
		g.k.held = append(g.k.held[:i], g.k.held[i+1:]...)
		g.line("%s %d", pickOne(g, "put", "put", "unpin"), b)
		if g.IntN(3) == 0 {
			g.line("prio %d %d", b, 1+g.IntN(32768))
		}
	}
}

func (g *generator) fieldOp() {
	bb := g.buckets()
	switch g.IntN(9) {
	case 0:
		g.line("prio %s %d", bb, pickOne(g, 0, 1, 2, 100, 30000, 32767, 32768, 40000, 65535))
	case 1:
		g.line("gen %s %d", bb, g.IntN(256))
	case 2:
		g.line("last_gc %s %d", bb, g.IntN(256))
	case 3:
		g.line("mark %s %s", bb, pickOne(g, "free", "reclaimable", "reclaimable", "dirty"))
	case 4:
		g.line("used %s %d", bb, g.IntN(2*g.k.bucketSize))
	case 5:
		g.line("free %s", bb)
	case 6:
		g.line("touch %s", bb)
	case 7:
		g.line("inc_gen %s", bb)
	case 8:
		if b := g.bucket(); !g.listed(b) {
			g.line("pin %d", b)
			g.k.held = append(g.k.held, b)
		}
	}
}

func (g *generator) listed(b int) bool {
	lists := append([]slowFifo{g.k.freeInc, {q: []int{g.k.hand}}}, g.k.free[:]...)
	for _, f := range lists {
		for _, i := range f.q {
			if i == b {
				return true
			}
		}
	}
	return false
}

func (g *generator) gc() {
	switch g.IntN(4) {
	case 0:
		g.line("gc clear")
	case 1:
		g.line("gc_start")
		for range g.IntN(4) { // 7.2 goes on meanwhile
			g.line("alloc %s nowait", pickOne(g, "none", "movinggc"))
		}
		if g.IntN(8) == 0 {
			g.line("gc_start") // does nothing
		}
		g.line("mark %s reclaimable", g.buckets())
		if g.IntN(4) > 0 {
			g.line("gc_finish")
		}
	default:
		g.line("gc keep")
	}
}

func (g *generator) rareOp() {
	switch g.IntN(9) {
	case 0:
		g.line("prio_blocked inc")
	case 1, 2, 3:
		if g.k.prioBlocked > 0 {
			g.line("prio_blocked dec")
		}
	case 4:
		g.line("sync %d", g.IntN(2))
	case 5:
		g.line("policy %s", pickOne(g, "lru", "fifo", "random"))
	case 6:
		g.line("discard %d", g.IntN(2))
	case 7:
		g.line("%s %d", pickOne(g, "uuid_bucket", "journal"), g.bucket())
	case 8:
		if !g.k.ioDisable { // without a bucket the kernel stops with BUG_ON
			g.line("prio_write %s", pickOne(g, "wait", "nowait"))
		}
	}
}
