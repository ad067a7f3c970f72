// SPDX-License-Identifier: GPL-2.0-only

package workers

// InOrder calls take for 0 to n-1, one after the other, each once what it takes is made: of the next ones some are made on
// other goroutines meanwhile, as many as there are places. Each place has a pair of functions, and what its first one makes
// is the place's until its second one returns. It ends with the first error of those, and panics as Wait does.
func InOrder(n, places int, place func() (work func(i int), take func() error)) error {
	type turn struct {
		do   func(i int)
		take func() error
		ok   bool // it did not panic
		done chan struct{}
	}
	turns := make([]turn, min(places, max(n, 0)))
	var crew Group
	defer crew.Wait()
	start := func(i int) {
		t := &turns[i%len(turns)]
		t.ok, t.done = false, make(chan struct{})
		crew.Go(func() {
			defer close(t.done)
			t.do(i)
			t.ok = true
		})
	}
	for i := range turns {
		turns[i].do, turns[i].take = place()
		start(i)
	}
	for i := range n {
		t := &turns[i%len(turns)]
		if <-t.done; !t.ok {
			return nil // Wait panics
		}
		if err := t.take(); err != nil {
			return err
		}
		if i+len(turns) < n {
			start(i + len(turns))
		}
	}
	return nil
}
