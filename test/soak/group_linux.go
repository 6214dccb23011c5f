package main

import (
	"errors"
	"sync"
)

// A group is several goroutines that work together. wait joins their errors.
type group struct {
	sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

// do has n more goroutines do the work.
func (g *group) do(n int, work func() error) {
	for range n {
		g.Go(func() {
			if err := work(); err != nil {
				g.mu.Lock()
				g.errs = append(g.errs, err)
				g.mu.Unlock()
			}
		})
	}
}

// wait returns when all have returned.
func (g *group) wait() error {
	g.Wait()
	return errors.Join(g.errs...)
}
