//go:build linux || darwin || freebsd

package sys

import (
	"context"
	"iter"
)

// All returns an iterator over the results of wait. It ends after the first error,
// except goOn. It yields the error of ctx if ctx has ended, even if wait would succeed,
// and then takes nothing. valid reports whether the handle is open: a closed handle
// makes wait return ErrClosed, which wins over the error of ctx.
//
// A wait may leave a function registered with its context for the next wait. All waits
// under a context of its own, so nothing stays registered with ctx.
func All[T any](ctx context.Context, valid func() bool, wait func(context.Context) (T, error), goOn error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		own := ctx
		if ctx != nil && ctx.Done() != nil {
			var cancel context.CancelFunc
			own, cancel = context.WithCancel(ctx)
			defer cancel()
		}
		for {
			var v T
			var err error
			if ctx != nil && valid() {
				err = ctx.Err()
			}
			if err == nil {
				v, err = wait(own)
			}
			if !yield(v, err) || err != nil && err != goOn {
				return
			}
		}
	}
}
