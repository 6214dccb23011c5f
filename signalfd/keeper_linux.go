package signalfd

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/capture"
)

// A keeper captures signals. It is a goroutine on a thread of its own, the only
// one that has the signals blocked. The handlers of package capture pass each
// signal on to that thread; the keeper reads it there from a signalfd, which
// gives what is pending for the thread that reads, and writes it into a pipe.
//
// A signal is taken from the kernel only when the pipe has room for it. Until
// then the kernel queues it, as it does behind a signalfd that nobody reads, and
// when the keeper ends it is not lost.
type keeper struct {
	wake    fd.FD // eventfd: there is an order, or it is time to end
	signals fd.FD // signalfd
	pipe    fd.FD // write end

	set     atomic.Uint64 // what is captured
	readers atomic.Int32  // the SignalFDs on the pipe's read end

	// Orders to the goroutine: another set, which it answers, or the end. The
	// channels hold one, so that the goroutine never waits.
	mu     sync.Mutex // one order at a time
	order  chan Set
	answer chan error
	stop   chan struct{}
	ended  chan struct{} // closed when nothing is captured any more

	// The goroutine's own, but for lost and stolen, which look at what is captured.
	tid       int
	was       Set        // the thread's mask at the beginning
	capturing sync.Mutex // held while the two below change
	redirects [maxSignal + 1]*capture.Redirection
	lostUntil uint64 // by redirections that have ended
	buf       records
}

// startKeeper captures set. It returns the read end of the pipe.
func startKeeper(set Set) (*keeper, int, error) {
	k := &keeper{
		order:  make(chan Set, 1),
		answer: make(chan error, 1),
		stop:   make(chan struct{}),
		ended:  make(chan struct{}),
	}
	k.readers.Store(1)
	readEnd, err := k.open()
	if err != nil {
		k.close()
		return nil, -1, err
	}
	go k.run(set)
	if err := <-k.answer; err != nil {
		<-k.ended
		_ = unix.Close(readEnd)
		return nil, -1, err
	}
	return k, readEnd, nil
}

// open makes the keeper's descriptors, and returns the read end of its pipe.
func (k *keeper) open() (readEnd int, err error) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, os.NewSyscallError("eventfd2", err)
	}
	k.wake.Internal().Init(number, sys.FastClose)
	if number, err = newSignalfd(0); err != nil {
		return -1, err
	}
	k.signals.Internal().Init(number, sys.FastClose)
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, os.NewSyscallError("pipe2", err)
	}
	// The reader may be another process after File, and hold the pipe's lock.
	k.pipe.Internal().Init(ends[1], sys.Entersyscall)
	return ends[0], nil
}

func (k *keeper) close() {
	_ = k.wake.Close()
	_ = k.signals.Close()
	_ = k.pipe.Close()
}

func (k *keeper) mask() Set { return Set(k.set.Load()) }

func (k *keeper) setMask(_ *fd.FD, set Set) error {
	if err := refuseReserved(set); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case k.order <- set:
	case <-k.ended:
		return fd.ErrClosed
	}
	k.rouse()
	select {
	case err := <-k.answer:
		return err
	case <-k.ended:
		return fd.ErrClosed
	}
}

func (k *keeper) lost() uint64 {
	k.capturing.Lock()
	defer k.capturing.Unlock()
	n := k.lostUntil
	for _, r := range k.redirects {
		if r != nil {
			n += r.Lost()
		}
	}
	return n
}

func (k *keeper) stolen() Set {
	k.capturing.Lock()
	defer k.capturing.Unlock()
	var set Set
	for sig, r := range k.redirects {
		if r != nil && r.Stolen() {
			set.Add(syscall.Signal(sig))
		}
	}
	return set
}

func (k *keeper) join() bool {
	for {
		n := k.readers.Load()
		if n == 0 {
			return false
		}
		if k.readers.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends the capture with the last SignalFD, and waits until the old
// handlers are back. The goroutine waits for nothing but poll(2), from which
// rouse wakes it, so this does not hang.
func (k *keeper) leave() {
	if k.readers.Add(-1) == 0 {
		close(k.stop)
		k.rouse()
		<-k.ended
	}
}

func (k *keeper) rouse() {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = k.wake.Write(one) // fails only when the goroutine has ended
}

// run is the keeper's goroutine.
func (k *keeper) run(set Set) {
	// Never unlocked: the thread ends with the goroutine, and with it the mask that
	// no other goroutine should meet.
	runtime.LockOSThread()
	err := k.begin(set)
	k.answer <- err
	if err == nil {
		for k.await(unix.POLLOUT, 0) && k.await(0, unix.POLLIN) && k.deliver() {
		}
	}
	k.end()
}

func (k *keeper) begin(set Set) error {
	k.tid = unix.Gettid()
	var was unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &was); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	k.was = setOf(&was)
	return k.change(set)
}

// end puts the old handlers back, and then lets the thread take as ordinary
// signals those that it has not delivered. It asks the kernel for nothing that a
// seccomp(2) filter which came later might refuse, but what it cannot do without.
func (k *keeper) end() {
	k.release(k.mask())
	k.set.Store(0)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, k.was.sigset(), nil)
	k.close()
	close(k.ended)
}

// change makes set what is captured. If a signal cannot be, nothing changes.
func (k *keeper) change(set Set) error {
	old := k.mask()
	// A signal that its handler passes on has to find the thread ready for it.
	if err := k.block(old | set); err != nil {
		return err
	}
	if err := k.redirect(set &^ old); err != nil {
		_ = k.block(old)
		return err
	}
	k.release(old &^ set)
	k.set.Store(uint64(set))
	// The kernel let us block more just now. Should it not let us block less, what
	// was passed on and has not been read yet waits for the next change, or the end.
	_ = k.block(set)
	return nil
}

// block makes the keeper's thread the one that has set blocked, and reads it.
// Signals that are unblocked by it while they are pending meet their handler
// before it returns.
func (k *keeper) block(set Set) error {
	if err := changeSignalfd(k.signals.Fd(), set); err != nil {
		return err
	}
	return os.NewSyscallError("rt_sigprocmask", unix.PthreadSigmask(unix.SIG_SETMASK, (k.was|set).sigset(), nil))
}

// redirect installs the handlers of added, of all or none.
func (k *keeper) redirect(added Set) error {
	var done Set
	for sig := range added.all() {
		r, err := capture.Redirect(sig, k.tid)
		if err != nil {
			k.release(done)
			return err
		}
		k.capturing.Lock()
		k.redirects[sig] = r
		k.capturing.Unlock()
		done.Add(sig)
	}
	return nil
}

// release puts the old handlers back.
func (k *keeper) release(removed Set) {
	for sig := range removed.all() {
		r := k.redirects[sig]
		r.Undo()
		k.capturing.Lock()
		k.lostUntil += r.Lost()
		k.redirects[sig] = nil
		k.capturing.Unlock()
	}
}

// await returns true when the pipe or the signalfd is ready for the events
// asked, and false when it is time to end. Orders are carried out meanwhile.
//
// The end comes, too, when the pipe has no reader left, which poll(2) tells by
// POLLERR unasked: someone has closed the descriptor behind the SignalFD.
func (k *keeper) await(room, signals int16) bool {
	for {
		fds := [...]unix.PollFd{
			{Fd: k.wake.Raw(), Events: unix.POLLIN},
			{Fd: k.pipe.Raw(), Events: room},
			{Fd: k.signals.Raw(), Events: signals},
		}
		_, err := unix.Poll(fds[:], -1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			if !k.pause() {
				return false
			}
		case fds[0].Revents != 0:
			if !k.obey() {
				return false
			}
		case fds[1].Revents&unix.POLLERR != 0:
			return false
		case fds[1].Revents&room != 0 || fds[2].Revents&signals != 0:
			return true
		}
	}
}

// obey carries out the orders that there are, and reports false when one is to
// end.
func (k *keeper) obey() bool {
	// Orders are given before the eventfd is written, so all that it tells of are
	// there once it is read, and none may be left.
	var b [8]byte
	_, _ = k.wake.Read(b[:])
	for {
		select {
		case <-k.stop:
			return false
		case set := <-k.order:
			k.answer <- k.change(set)
		default:
			return true
		}
	}
}

// deliver hands over what is pending. It reports false when it is time to end.
func (k *keeper) deliver() bool {
	n, err := k.signals.Read(k.buf[:])
	if err != nil {
		return errors.Is(err, fd.ErrWouldBlock) || k.pause()
	}
	for i := range n / recordSize {
		k.buf.at(i).restore()
	}
	// The pipe has room for all of it, as only we write to it. What it may lack is
	// memory, in a cgroup that has used up its own.
	for {
		_, err := k.pipe.Write(k.buf[:n])
		switch {
		case err == nil:
			return true
		case errors.Is(err, unix.EPIPE) || !k.pause():
			return false
		}
	}
}

// pause waits a little, with orders carried out, before a call that the kernel has
// refused is made again: as long as somebody reads, no refusal ends a capture. It
// reports false when it is time to end.
func (k *keeper) pause() bool {
	time.Sleep(time.Millisecond)
	return k.obey()
}
