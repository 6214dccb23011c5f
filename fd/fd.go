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
// first use, as go vet checks. A handle embeds it by value and fills it by Take.
//
// Every method may be called from any goroutine at any time, Close included.
type FD struct {
	d      sys.Descriptor
	poller atomic.Pointer[poller] // made by the first wait
	busy   atomic.Int32           // of SetBusyPoll, in microseconds
}

var _ Handle = (*FD)(nil)

// New takes ownership of the descriptor raw. It makes no system call. A number
// that cannot be a descriptor gives a closed FD.
//
// Calls on the FD tell the scheduler, so they may block. Close-on-exec stays as it
// is: see [FD.SetCloexec].
func New(raw int) *FD {
	f := new(FD)
	f.d.Init(raw, sys.Entersyscall)
	return f
}

// NewNonblock is [New] for a descriptor whose small reads and writes never wait
// for another process. They bypass the scheduler, at the cost of the bare system
// call. The caller promises that
//
//   - the descriptor is in non-blocking mode, and
//   - it is an eventfd, a timerfd, a signalfd or an inotify instance, or a socket
//     or pipe of which this process alone has both ends.
//
// A pipe to another process is not one of these: the peer can hold the lock of the
// pipe for as long as it likes, in non-blocking mode too. Nor is a netlink
// socket. If the promise does not hold, a call that blocks stops every goroutine of
// the program.
//
// After Dup, File, Send, SetCloexec(false) or SetNonblock(false), all calls tell the
// scheduler.
func NewNonblock(raw int) *FD {
	f := new(FD)
	f.d.Init(raw, sys.Fast)
	return f
}

// Take makes f, which must be closed, the owner of src's descriptor. It leaves src
// closed, and its waiters get [ErrClosed]. It is for types that embed an FD by
// value.
//
// Take stops new calls on src, and waits up to 10 ms for those in flight. It fails
// with EBUSY if they last longer, if a pin is held, or if f owns a descriptor. It fails
// with ErrClosed if src is closed, and with EINVAL if src is nil. If Take fails, neither
// f nor src has changed for any goroutine.
func (f *FD) Take(src *FD) error {
	if src == nil {
		return sys.Invalid("fd: Take: source is nil")
	}
	return f.take(src, 0)
}

// take is Take if the caller has own pins of src. It takes them over on success.
func (f *FD) take(src *FD, own int) error {
	if !f.d.Reserve() {
		return sys.Misuse(unix.EBUSY, "fd: Take: the receiver is open, or still in use")
	}
	if err := src.d.StartRelease(own); err != nil {
		f.d.Unreserve()
		return err
	}
	src.wake()
	src.d.FinishRelease(&f.d, own)
	return nil
}

// Internal returns the reference-counted descriptor to the handles of this
// library, which live in other modules. Its type is internal: other programs use
// [FD.Control] and [FD.Pin].
func (f *FD) Internal() *sys.Descriptor { return &f.d }

// Raw returns the descriptor number, or -1 once closed. The number is not
// protected: another goroutine may close it at any time. [FD.Pin] and [FD.Control]
// give a number that stays open.
func (f *FD) Raw() int32 { return int32(f.d.Number()) }

// Fd is [FD.Raw] as an int.
func (f *FD) Fd() int { return f.d.Number() }

// Valid reports whether f owns a descriptor.
func (f *FD) Valid() bool { return f.d.Number() >= 0 }

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
// If no call is in flight and no pin is held, the descriptor is closed when Close
// returns, also if goroutines were waiting. Otherwise the number stays open for
// those calls and pins, and the last of them closes it. Close does not wait for
// them: a read(2) that blocks, on a descriptor in blocking mode, lasts until the
// kernel returns.
//
// The error is that of close(2), for instance EIO if data could not be written
// back. The descriptor is closed even then.
func (f *FD) Close() error {
	if !f.d.StartClose() {
		return nil
	}
	f.wake()
	return f.d.FinishClose()
}

// Release closes f without closing the descriptor. It returns the number, which then
// belongs to the caller alone. Waiters of f get [ErrClosed].
//
// Release stops new calls, and waits up to 10 ms for those in flight. It fails with
// EBUSY if they last longer or a pin is held. Then nothing has changed.
func (f *FD) Release() (int, error) {
	if err := f.d.StartRelease(0); err != nil {
		return -1, err
	}
	f.wake()
	return f.d.FinishRelease(nil, 0), nil
}

// Read reads up to len(p) bytes, see read(2). It returns [ErrWouldBlock] for
// EAGAIN, and [io.EOF] at end of file. An empty datagram is 0, nil, as in package
// net. On a descriptor in blocking mode Read blocks, and only its goroutine. One
// call reads at most 1 GiB.
//
// A read of no bytes returns 0, nil without a system call, whatever the kind of
// the descriptor.
func (f *FD) Read(p []byte) (int, error) { return f.d.Read(p) }

// Write writes p, see write(2). A count below len(p) always comes with an error:
// [ErrWouldBlock] if the rest would block. On a descriptor in blocking mode Write
// blocks, and only its goroutine.
//
// A write of no bytes makes one system call. A datagram socket sends an empty datagram,
// an eventfd fails with EINVAL, and a pipe does nothing.
//
// An FD in non-blocking mode is not for exec.Cmd.Stdout, io.Copy or package bufio,
// which take ErrWouldBlock for a failure: see [FD.WithContext].
//
// A write to a pipe or a socket whose other end is closed fails with EPIPE. The Go
// runtime ignores the SIGPIPE that goes with it, also for descriptors 1 and 2. An
// os.File with one of these numbers would end the program.
func (f *FD) Write(p []byte) (int, error) { return f.d.Write(p) }

// ReadContext is [FD.Read], but if that would block it parks the goroutine until
// there is something to read. If ctx ends first, it returns ctx's error. If f is
// closed, it returns [ErrClosed]. A nil ctx fails with EINVAL. It tries first, so
// it reads data that is there even if ctx has ended.
//
// ReadContext does not block in blocking mode either, if the kernel has a
// non-blocking form of the call. It has one for sockets, for pipes from Linux 6.4, for
// eventfds from 5.8, and for timerfds from 6.10. Otherwise (named FIFOs, terminals,
// inotify) the mode decides. In blocking mode, poll(2) is asked before read(2), and
// another reader that takes the data in between makes the read block past ctx.
//
// Any number of goroutines may wait, each under its own context. An FD that was
// waited on holds a second descriptor until Close, Release or Take.
func (f *FD) ReadContext(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 && ctx != nil {
		return f.d.Read(nil)
	}
	life := f.d.Life()
	return wait(ctx, f, reading, life, func(*side) (int, error) { return f.d.TryRead(p, life) })
}

// WriteContext is [FD.Write], but if that would block it parks the goroutine until
// there is room. If ctx ends first, it returns ctx's error. If f is closed, it
// returns [ErrClosed]. The count says how much of p was written until then. A nil
// ctx fails with EINVAL. Blocking mode is as for [FD.ReadContext], but the kernel
// has a non-blocking write for sockets and pipes alone.
//
// If several goroutines write more than fits at once, their bytes may mix.
func (f *FD) WriteContext(ctx context.Context, p []byte) (written int, err error) {
	life := f.d.Life()
	return wait(ctx, f, writing, life, func(*side) (int, error) {
		for {
			n, err := f.d.TryWrite(p[written:], life)
			written += n
			switch {
			case err != nil || written == len(p):
				return written, err
			case n == 0:
				return written, io.ErrShortWrite
			}
		}
	})
}

// SetNonblock sets or clears O_NONBLOCK, see fcntl(2). The flag belongs to the
// open file description, so all processes that share it see the change.
func (f *FD) SetNonblock(nonblock bool) error { return f.d.SetNonblock(nonblock) }

// Nonblock reports whether O_NONBLOCK is set, see fcntl(2).
func (f *FD) Nonblock() (bool, error) {
	flags, err := f.fcntl(unix.F_GETFL, 0)
	return flags&unix.O_NONBLOCK != 0, err
}

// SetCloexec sets or clears FD_CLOEXEC, see fcntl(2). With the flag, the descriptor is
// closed when this process or a child of it executes another program. Without the flag,
// every program that is started inherits the descriptor under its number. To give it to
// one program alone, use exec.Cmd.ExtraFiles: see [FD.File].
func (f *FD) SetCloexec(cloexec bool) error {
	if !cloexec {
		// A child that inherits the descriptor may change its mode.
		return f.d.ShareBy(func(number int) error {
			_, err := fcntl(number, unix.F_SETFD, 0)
			return err
		})
	}
	_, err := f.fcntl(unix.F_SETFD, unix.FD_CLOEXEC)
	return err
}

// Cloexec reports whether FD_CLOEXEC is set, see fcntl(2).
func (f *FD) Cloexec() (bool, error) {
	flags, err := f.fcntl(unix.F_GETFD, 0)
	return flags&unix.FD_CLOEXEC != 0, err
}

// Dup returns an FD with a number of its own for the same open file description,
// close-on-exec from the start, see F_DUPFD_CLOEXEC in fcntl(2). O_NONBLOCK and
// the file offset are common to both, so calls of both tell the scheduler from now
// on.
func (f *FD) Dup() (*FD, error) {
	number, err := f.dup()
	if err != nil {
		return nil, err
	}
	return New(number), nil
}

// dup duplicates the number for a use that f cannot see.
func (f *FD) dup() (int, error) {
	life := f.d.Life()
	number, err := f.fcntl(unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	// Before this returns, nothing else has the duplicate.
	if err := f.share(life); err != nil {
		_ = unix.Close(number)
		return -1, err
	}
	return number, nil
}

// share ends the fast path of f. It fails with ErrClosed in another life.
func (f *FD) share(life uint64) error {
	return f.d.ShareBy(func(int) error {
		if f.d.Life() != life {
			return ErrClosed
		}
		return nil
	})
}

// fcntl makes a fcntl(2) that does not block.
func (f *FD) fcntl(cmd, arg int) (int, error) {
	number, err := f.d.Incref()
	if err != nil {
		return 0, err
	}
	defer f.d.Decref()
	return fcntl(number, cmd, arg)
}

func fcntl(number, cmd, arg int) (int, error) {
	r, err := unix.FcntlInt(uintptr(number), cmd, arg)
	return r, os.NewSyscallError("fcntl", err)
}
