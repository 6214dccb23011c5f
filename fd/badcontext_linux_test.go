package fd_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/fd"
)

// A badContext is a context of the caller, whose methods break the rules of contexts.
type badContext struct {
	context.Context
	done     <-chan struct{}
	doneHook func()
	errHook  func() error
	value    func()
}

func (c *badContext) Done() <-chan struct{} {
	if c.doneHook != nil {
		c.doneHook()
	}
	return c.done
}

func (c *badContext) Err() error {
	if c.errHook != nil {
		return c.errHook()
	}
	return nil
}

func (c *badContext) Value(any) any {
	if c.value != nil {
		c.value()
	}
	return nil
}

// A badAfterFunc is a context with a method that context.AfterFunc calls.
type badAfterFunc struct {
	badContext
	hook func()
}

func (c *badAfterFunc) AfterFunc(func()) func() bool {
	c.hook()
	return func() bool { return true }
}

func panics() { panic("bad context") }

// badContexts panic in one of their methods, or are ended without an error.
var badContexts = map[string]func() context.Context{
	"panic in Done": func() context.Context { return &badContext{Context: background, doneHook: panics} },
	"panic in Value": func() context.Context {
		return &badContext{Context: background, done: make(chan struct{}), value: panics}
	},
	"panic in AfterFunc": func() context.Context {
		return &badAfterFunc{badContext{Context: background, done: make(chan struct{})}, panics}
	},
	"panic in Err": func() context.Context {
		return &badContext{Context: background, done: make(chan struct{}), errHook: func() error { panic("bad context") }}
	},
	"Done without Err": func() context.Context { return &badContext{Context: background, done: closedChannel()} },
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// recovered returns the error of call, or nil if it panics. It fails the test if the
// panic is one of the runtime.
func recovered(t testing.TB, call func() error) (err error) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			_, bug := r.(runtime.Error)
			assert.False(t, bug, "%v", r)
		}
	}()
	return call()
}

// badWaits are waits for data that is not there.
var badWaits = map[string]func(ctx context.Context, f *fd.FD) error{
	"ReadContext":       func(ctx context.Context, f *fd.FD) error { return second(f.ReadContext(ctx, make([]byte, 8))) },
	"ReadUint64Context": func(ctx context.Context, f *fd.FD) error { return second(f.ReadUint64Context(ctx)) },
}

// A wait under a bad context may panic. The next wait works.
func TestWaitAfterBadContext(t *testing.T) {
	for name, bad := range badContexts {
		for call, wait := range badWaits {
			for mode, nonblock := range modes {
				t.Run(name+"/"+call+"/"+mode, func(t *testing.T) {
					ofKinds(t, func(t *testing.T, newFD func(number int) *fd.FD) {
						if !nonblock {
							newFD = fd.New
						}
						r, w := badPipe(t, nonblock, newFD)
						for range 2 {
							finishes(t, "the wait under a bad context", func() {
								err := recovered(t, func() error { return wait(bad(), r) })
								if err != nil {
									assert.Equal(t, context.Canceled, err)
								}
							})
							next := make(chan error, 1)
							go func() { next <- waiter(func() error { return wait(background, r) }) }()
							parked(t, 1, 1)
							require.NoError(t, second(w.Write(eight(1))))
							finishes(t, "the next wait", func() { assert.NoError(t, <-next) })
						}
						closes(t, r)
					})
				})
			}
		}
	}
}

func badPipe(t testing.TB, nonblock bool, newFD func(number int) *fd.FD) (r, w *fd.FD) {
	t.Helper()
	old, w := plainPipe(t, nonblock)
	number, err := old.Release()
	require.NoError(t, err)
	r = newFD(number)
	t.Cleanup(func() {
		assert.NoError(t, r.Close())
		assert.NoError(t, w.Close())
	})
	return r, w
}

// A wait behind another, under a context that has ended without an error, is canceled.
func TestWaitBehindAnotherUnderBadContext(t *testing.T) {
	for call, wait := range badWaits {
		for mode, nonblock := range modes {
			t.Run(call+"/"+mode, func(t *testing.T) {
				r, w := pipe(t, nonblock)
				first := make(chan error, 1)
				go func() { first <- waiter(func() error { return wait(background, r) }) }()
				parked(t, 1, 1)
				for range 20 {
					err := recovered(t, func() error { return wait(badContexts["Done without Err"](), r) })
					require.Equal(t, context.Canceled, err)
				}
				require.NoError(t, second(w.Write(eight(1))))
				finishes(t, "the wait", func() { assert.NoError(t, <-first) })
			})
		}
	}
}

// A wait moves to another poller if poll(2) says ready and the call would block. A
// panic on the way leaves no lock held.
func TestWaitMovesUnderBadContext(t *testing.T) {
	r, w := pipe(t, true)
	require.NoError(t, second(w.Write([]byte("x"))))
	tries := 0
	// Without AfterFunc, the function that stops it would call Done, too.
	ctx := &badAfterFunc{badContext{Context: background, done: make(chan struct{})}, func() {}}
	ctx.doneHook = func() {
		if tries > 3 {
			panic("bad context")
		}
	}
	finishes(t, "the wait under a bad context", func() {
		_ = recovered(t, func() error {
			return second(fd.WaitRead(ctx, r, func() (int, error) {
				if tries++; tries > 10 {
					return 0, nil
				}
				return 0, fd.ErrWouldBlock
			}))
		})
	})
	assert.Greater(t, tries, 3)
	soon, cancel := context.WithTimeout(background, deadline)
	defer cancel()
	assert.NoError(t, readByte(soon, r))
	next := make(chan error, 1)
	go func() { next <- waiter(func() error { return readByte(soon, r) }) }()
	parked(t, 1, 1)
	require.NoError(t, second(w.Write([]byte("x"))))
	assert.NoError(t, <-next)
}
