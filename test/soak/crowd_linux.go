package main

import (
	"errors"
	"sync"
)

// A crowd is goroutines that do something together. What goes wrong in any of
// them goes wrong in all.
type crowd struct {
	sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

// do has n more goroutines do the work.
func (c *crowd) do(n int, work func() error) {
	for range n {
		c.Go(func() {
			if err := work(); err != nil {
				c.mu.Lock()
				c.errs = append(c.errs, err)
				c.mu.Unlock()
			}
		})
	}
}

// wait returns when all have returned.
func (c *crowd) wait() error {
	c.Wait()
	return errors.Join(c.errs...)
}
