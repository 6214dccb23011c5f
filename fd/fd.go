//go:build linux || darwin || freebsd

package fd

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// FD owns a descriptor. The zero FD is closed. An FD must not be copied after
// first use (go vet tells); a handle embeds it by value and fills it by Take.
//
// Every method may be called from any goroutine at any time, Close included.
type FD struct {
	guard   sys.Guard
	waiting atomic.Pointer[waiting] // made by the first wait
}

var _ Handle = (*FD)(nil)

// New takes ownership of the descriptor raw; it makes no system call. A number
// that cannot be a descriptor gives a closed FD.
//
// The first read or write finds out whether calls on raw may block (see the
// package comment). Close-on-exec stays as it is: see [FD.SetCloexec].
func New(raw int) *FD {
	f := new(FD)
	f.guard.Init(raw, false)
	return f
}

// NewNonblock is [New] for a descriptor that the caller knows to be in
// non-blocking mode, of a kind whose read(2) and write(2) then return at once,
// and shared with no other process: an inotify(7) instance made with
// IN_NONBLOCK, say. Its calls do not tell the scheduler. Do not use it on a
// guess: a call that does block would hold up every goroutine of the program.
func NewNonblock(raw int) *FD {
	f := new(FD)
	f.guard.Init(raw, true)
	return f
}

// Take makes f, which must be closed, the owner of src's descriptor, and leaves
// src closed, its waiters woken with [ErrClosed]. It is for types that embed an
// FD by value.
//
// While src is in use by a call or a pin, or where f already owns a descriptor,
// it fails with EBUSY, and nothing changes. For a closed src it fails with
// [ErrClosed], for nil with EINVAL.
func (f *FD) Take(src *FD) error {
	if src == nil {
		return sys.Invalid("no descriptor to take: nil")
	}
	if err := f.guard.Take(&src.guard); err != nil {
		return err
	}
	src.wake()
	return nil
}

// Guard gives the handles of this library their way to the kernel. It is not
// for others: [FD.Pin] does what they need.
func (f *FD) Guard() *sys.Guard { return &f.guard }

// Raw returns the descriptor number, or -1 once closed. The number is only
// borrowed, and unprotected: another goroutine may close it at any time. To keep
// it, use the one that [FD.Pin] returns.
func (f *FD) Raw() int32 { return int32(f.guard.Number()) }

// Fd is [FD.Raw] as an int.
func (f *FD) Fd() int { return f.guard.Number() }

// Valid reports whether f owns a descriptor, that is, has not been closed.
func (f *FD) Valid() bool { return f.guard.Number() >= 0 }

// String returns "fd 7", or "fd closed".
func (f *FD) String() string {
	if n := f.Fd(); n >= 0 {
		return fmt.Sprintf("fd %d", n)
	}
	return "fd closed"
}

// Close closes the descriptor, see close(2), and wakes every waiter with
// [ErrClosed]. A second Close does nothing and returns nil.
//
// While a call is in flight or a pin held, the number stays open for these
// alone, and the last of them closes it. Close does not wait for them: a read(2)
// that blocks, on a descriptor in blocking mode, ends when its peer lets it.
//
// The error is close(2)'s, for instance EIO where data could not be written
// back; the descriptor is closed all the same.
func (f *FD) Close() error {
	ended, err := f.guard.Close()
	if ended {
		f.wake()
	}
	return err
}

// Release gives the descriptor up without closing it: the number is the
// caller's, f is closed and its waiters are woken with [ErrClosed].
//
// While a call is in flight or a pin held it fails with EBUSY, and nothing
// changes.
func (f *FD) Release() (int, error) {
	number, err := f.guard.Release()
	if err != nil {
		return -1, err
	}
	f.wake()
	return number, nil
}

// Pin borrows the number: it is neither closed nor reused until [FD.Unpin], even
// if f is closed meanwhile. This is for those who keep a number in the kernel,
// as io_uring(7), epoll(7) or poll(2) do. Pins nest, each with its own Unpin.
//
// It fails with [ErrClosed], and with EAGAIN when 16,777,216 pins are held.
func (f *FD) Pin() (int, error) { return f.guard.Pin() }

// Unpin ends a [FD.Pin]. If f was closed meanwhile and this was the last use of
// the number, it closes the number. Without a pin it does nothing.
func (f *FD) Unpin() { f.guard.Unpin() }

// Read reads up to len(p) bytes, see read(2): [ErrWouldBlock] where it would
// block, [io.EOF] at end of file. On a descriptor in blocking mode it blocks,
// and only its goroutine. One call reads at most 1 GiB.
func (f *FD) Read(p []byte) (int, error) {
	if len(p) == 0 {
		if !f.Valid() {
			return 0, ErrClosed
		}
		return 0, nil
	}
	n, err := f.guard.Read(p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// Write writes p, see write(2). A count below len(p) always comes with an
// error: [ErrWouldBlock] where the rest would block. On a descriptor in blocking
// mode it blocks, and only its goroutine.
//
// Writing to a pipe or a socket whose other end is closed fails with EPIPE. The
// Go runtime swallows the SIGPIPE that goes with it, also for descriptors 1 and
// 2, where an os.File would end the program.
func (f *FD) Write(p []byte) (int, error) {
	n, err := f.guard.Write(p)
	written := n
	for err == nil && written < len(p) {
		if n == 0 {
			return written, io.ErrShortWrite
		}
		n, err = f.guard.Write(p[written:])
		written += n
	}
	return written, err
}

// ReadContext is [FD.Read], but where that would block it parks the goroutine
// until there is something to read, ctx ends (its error) or f is closed
// ([ErrClosed]). It tries first, so data that is there is read even when ctx
// has ended. A nil ctx is refused with EINVAL.
//
// Any number of goroutines may wait, each under its own context. A descriptor
// in blocking mode is waited for too; but should another reader take the data
// between the wait and the read, that read blocks past ctx.
func (f *FD) ReadContext(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 && ctx != nil {
		return f.Read(p) // nothing to wait for
	}
	return WaitRead(ctx, f, func() (int, error) { return f.Read(p) })
}

// WriteContext is [FD.Write], but where that would block it parks the goroutine
// until there is room, ctx ends (its error) or f is closed ([ErrClosed]). The
// count says how much of p was written until then. A nil ctx is refused with
// EINVAL.
//
// Where several goroutines write more than fits at once, their bytes may mix. On
// a descriptor in blocking mode a write of more than there is room for blocks
// past ctx.
func (f *FD) WriteContext(ctx context.Context, p []byte) (int, error) {
	var written int
	_, err := WaitWrite(ctx, f, func() (struct{}, error) {
		n, err := f.Write(p[written:])
		written += n
		return struct{}{}, err
	})
	return written, err
}

// SetNonblock sets or clears O_NONBLOCK, see fcntl(2). The flag belongs to the
// open file description, so all who share it see the change.
func (f *FD) SetNonblock(nonblock bool) error { return f.guard.SetNonblock(nonblock) }

// Nonblock reports whether O_NONBLOCK is set, see fcntl(2).
func (f *FD) Nonblock() (bool, error) {
	flags, err := f.fcntl(unix.F_GETFL, 0)
	return flags&unix.O_NONBLOCK != 0, err
}

// SetCloexec sets or clears FD_CLOEXEC, see fcntl(2): whether the descriptor is
// closed when this process, or a child that has inherited it, executes another
// program. Without it, all programs that are started inherit the descriptor under
// its number, those of os/exec too. To give it to one, and no other, there is
// cmd.ExtraFiles: see [FD.File].
func (f *FD) SetCloexec(cloexec bool) error {
	flags := unix.FD_CLOEXEC
	if !cloexec {
		flags = 0
	}
	was, err := f.Cloexec()
	if err == nil && was && cloexec {
		return nil
	}
	// Without the flag, others may have inherited the descriptor or will.
	if err == nil {
		err = f.guard.Share()
	}
	if err == nil {
		_, err = f.fcntl(unix.F_SETFD, flags)
	}
	return err
}

// Cloexec reports whether FD_CLOEXEC is set, see fcntl(2).
func (f *FD) Cloexec() (bool, error) {
	flags, err := f.fcntl(unix.F_GETFD, 0)
	return flags&unix.FD_CLOEXEC != 0, err
}

// Dup returns an FD with a number of its own for the same open file description,
// close-on-exec from the start, see F_DUPFD_CLOEXEC in fcntl(2). O_NONBLOCK and
// the file offset are common to both, so both tell the scheduler of their calls
// from now on.
func (f *FD) Dup() (*FD, error) {
	number, err := f.dup()
	if err != nil {
		return nil, err
	}
	return newShared(number), nil
}

// newShared is [New] for a number whose mode somebody else may change.
func newShared(number int) *FD {
	f := New(number)
	_ = f.guard.Share() // nobody else has f who could close it
	return f
}

// dup duplicates the number for a use that we do not see.
func (f *FD) dup() (int, error) {
	if err := f.guard.Share(); err != nil {
		return -1, err
	}
	return f.fcntl(unix.F_DUPFD_CLOEXEC, 0)
}

// fcntl makes a fcntl(2) that does not block.
func (f *FD) fcntl(cmd, arg int) (int, error) {
	number, err := f.guard.Enter()
	if err != nil {
		return 0, err
	}
	defer f.guard.Leave()
	r, err := unix.FcntlInt(uintptr(number), cmd, arg)
	if err != nil {
		return 0, os.NewSyscallError("fcntl", err)
	}
	return r, nil
}
