package fd_test

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

const epollHolder = "epoll instance that reports into slow memory"

// epoll_wait(2) copies events while it holds the lock of its instance. The last close(2)
// of a member waits for that lock.
func init() {
	holders[epollHolder] = func(member, told int) error {
		instance, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return err
		}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(member)}
		if err := unix.EpollCtl(instance, unix.EPOLL_CTL_ADD, member, &event); err != nil {
			return err
		}
		_ = unix.Close(member) // the parent's is the last
		memory, faults, err := slowPage()
		if err != nil {
			return err
		}
		go func() {
			// The report of an access: struct uffd_msg.
			for err := error(unix.EINTR); err == unix.EINTR; {
				_, err = unix.Read(faults, make([]byte, 32))
			}
			_, _ = unix.Write(told, []byte("x"))
		}()
		_, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(instance), memory, 1, ^uintptr(0), 0, 0)
		return errno
	}
}

// A process that shares an object can hold up close(2). Other goroutines run meanwhile.
func TestOthersRunWhilePeerHoldsUpClose(t *testing.T) {
	for name, share := range map[string]func(f *fd.FD) (*os.File, error){
		"File": func(f *fd.FD) (*os.File, error) { return f.File("shared") },
		"Dup": func(f *fd.FD) (*os.File, error) {
			d, err := f.Dup()
			if err != nil {
				return nil, err
			}
			number, err := d.Release()
			return os.NewFile(uintptr(number), "shared"), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			number, err := unix.Eventfd(1, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			require.NoError(t, err)
			var f fd.FD // in the state in which the handles have it
			require.True(t, f.Internal().Init(number, sys.FastClose))
			defer f.Close()
			shared, err := share(&f)
			require.NoError(t, err)
			told, tell := modeEnds(t, false)
			lock := holdLock(t, epollHolder, int(shared.Fd()), tell)
			defer lock.let.Close()
			require.NoError(t, shared.Close())
			stillHeld := func(after string) {
				t.Helper()
				select {
				case end := <-lock.ended:
					switch end.status {
					case heldNothing:
						t.Skip("the child cannot hold the lock: ", end.text)
					case heldTooLong:
						t.Fatalf("%s: the child gave the lock back by itself after %v", after, heldAtMost)
					}
					t.Fatalf("%s: the child ended with status %d: %s", after, end.status, end.text)
				default:
				}
			}
			for {
				stillHeld("the lock is not held")
				if n, _ := unix.Read(told, make([]byte, 1)); n == 1 {
					break
				}
				time.Sleep(tick)
			}
			closed := make(chan error, 1)
			go func() { closed <- f.Close() }()
			for range 100 {
				time.Sleep(tick)
				stillHeld("no goroutine ran")
			}
			runtime.GC()
			stillHeld("the collector waited")
			assert.Empty(t, closed, "close(2) waits for the lock")
			require.NoError(t, lock.let.Close())
			assert.Equal(t, heldUntilTold, (<-lock.ended).status)
			finishes(t, "Close", func() { assert.NoError(t, <-closed) })
		})
	}
}

// A wait goes on if poll(2) fails, as it does while RLIMIT_NOFILE is 0.
func TestWaitGoesOnWithoutDescriptorLimit(t *testing.T) {
	out, err := systest.Child(t, "TestChildWaitsWithoutDescriptorLimit").CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

func TestChildWaitsWithoutDescriptorLimit(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	ctx, cancel := context.WithTimeout(background, deadline)
	defer cancel()
	type waiting struct {
		wait, wake func() error
	}
	r, w := pipe(t, true)
	f, dup := fastEventfd(t, 0)
	defer f.Close()
	closeAtEnd(t, dup)
	waits := map[string]waiting{
		"ReadContext":       {func() error { return readByte(ctx, r) }, func() error { return second(w.Write([]byte("x"))) }},
		"ReadUint64Context": {func() error { return second(f.ReadUint64Context(ctx)) }, func() error { return second(unix.Write(dup, eight(1))) }},
	}
	round := func() {
		for name, c := range waits {
			got := make(chan error, 1)
			go func() { got <- waiter(c.wait) }()
			time.Sleep(10 * tick)
			assert.Empty(t, got, name)
			require.NoError(t, c.wake())
			assert.NoError(t, <-got, name)
		}
	}
	round()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}))
	round()
	round()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	round()
}
