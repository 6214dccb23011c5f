package signalfd

import (
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A source is where the signals of a SignalFD, and of its duplicates, come from.
type source interface {
	// mask returns the signals that the source gives.
	mask() Set

	// setMask changes them. f is the descriptor of one of the SignalFDs.
	setMask(f *fd.FD, set Set) error

	// dropped returns the number of signals that the source took and cannot give.
	dropped() uint64

	// replaced returns the signals whose handler other code has replaced.
	replaced() Set

	// join adds a SignalFD to those that read from the source. It reports false
	// if the last one has left.
	join() bool

	// leave removes one. When the last one leaves, the source ends. shared says that
	// another process may have the descriptor.
	leave(shared bool)
}

// A kernelSource is the kernel's signalfd, which ends with its last descriptor. The other
// source is a forwarder.
type kernelSource struct {
	refuse func(Set) error // says which signals it cannot give
	mu     sync.Mutex      // held while the mask changes
	set    atomic.Uint64
}

// newSignalfd is signalfd4(2), close-on-exec and non-blocking.
func newSignalfd(set Set) (int, error) {
	number, err := unix.Signalfd(-1, set.sigset(), unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)
	if err != nil {
		return -1, os.NewSyscallError("signalfd4", err)
	}
	return number, nil
}

// changeSignalfd gives the signalfd number another mask.
func changeSignalfd(number int, set Set) error {
	_, err := unix.Signalfd(number, set.sigset(), 0)
	return os.NewSyscallError("signalfd4", err)
}

func (k *kernelSource) mask() Set { return Set(k.set.Load()) }

func (k *kernelSource) setMask(f *fd.FD, set Set) error {
	if err := k.refuse(set); err != nil {
		return err
	}
	number, err := f.Internal().Incref()
	if err != nil {
		return err
	}
	defer f.Internal().Decref()
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := changeSignalfd(number, set); err != nil {
		return err
	}
	k.set.Store(uint64(set))
	return nil
}

// The kernel's signalfd takes a signal only when it is read, and needs no handler. So
// it drops none, its handler cannot be replaced, and its end needs no work.

func (k *kernelSource) dropped() uint64 { return 0 }

func (k *kernelSource) replaced() Set { return 0 }

func (k *kernelSource) join() bool { return true }

func (k *kernelSource) leave(bool) {}
