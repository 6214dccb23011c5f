package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// The faults that the kernel makes itself, where a limit is reached. Each is a
// child's part, as limits are the process's.

// limit lowers one of getrlimit(2).
func limit(resource int, to uint64) (restore func(), err error) {
	var was unix.Rlimit
	if err := unix.Getrlimit(resource, &was); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	now := was
	now.Cur = to
	if err := unix.Setrlimit(resource, &now); err != nil {
		return nil, os.NewSyscallError("setrlimit", err)
	}
	return func() { _ = unix.Setrlimit(resource, &was) }, nil
}

// A limit of the kernel's.
var limits = []struct {
	name   string
	use    func() error // the child's part, which uses it up
	effect string       // what the page says of it
}{
	{"RLIMIT_NOFILE", descriptorsUsedUp, "whatever makes a descriptor says EMFILE, with any number of them left, and leaves none open"},
	{"RLIMIT_SIGPENDING", queueUsedUp, "`PidFD.Queue` says `ErrWouldBlock`; the next signal arrives"},
	{"RLIMIT_FSIZE", fileSizeUsedUp, "`MemFD.Write` writes what fits and says EFBIG, as `Truncate` does"},
	{"RLIMIT_AS", addressesUsedUp, "`MemFD.Map` says ENOMEM"},
	{ofGroup, memoryUsedUp, "the kernel kills a process that writes to a memfd beyond it: no call fails. Other processes learn that by the `PidFD`, and have the bytes that were written"},
}

// makers are the operations that take descriptors.
var makers = map[string]func() error{
	"eventfd.New":     func() error { return closing(eventfd.New(0)) },
	"timerfd.New":     func() error { return closing(timerfd.New(timerfd.Monotonic)) },
	"memfd.New":       func() error { return closing(memfd.New("faults")) },
	"memfd.NewSealed": func() error { return closing(memfd.NewSealed("faults", []byte(content))) },
	"memfd.NewSecret": func() error { return closing(memfd.NewSecret()) },
	"pidfd.Self":      func() error { return closing(pidfd.Self()) },
	"signalfd.New":    func() error { return closing(signalfd.New(signalfd.NewSet(unix.SIGUSR1))) },
	"signalfd.Open":   func() error { return closing(signalfd.Open(signalfd.NewSet(unix.SIGUSR1))) },
}

// descriptorsUsedUp leaves none, then one, and so on, until the operation works.
func descriptorsUsedUp() error {
	for name, open := range makers {
		if err := open(); err != nil { // and what it takes once is there
			return fmt.Errorf("%s: %w", name, err)
		}
		before := systest.OpenDescriptors()
		for free := 0; ; free++ {
			restore, err := limit(unix.RLIMIT_NOFILE, firstFree(free))
			if err != nil {
				return err
			}
			err = open()
			restore()
			if left := before.Left(); left != "" {
				return fmt.Errorf("%s with %d descriptors left open: %s", name, free, left)
			}
			if err == nil && free > 0 {
				break
			}
			if !errors.Is(err, unix.EMFILE) {
				return fmt.Errorf("%s with %d descriptors gave: %w", name, free, err)
			}
		}
	}
	return nil
}

// firstFree returns a limit under which n descriptors are free, which are the lowest.
func firstFree(n int) uint64 {
	for number := 0; ; number++ {
		if _, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0); err == nil {
			continue
		}
		if n == 0 {
			return uint64(number)
		}
		n--
	}
}

// queueUsedUp sends signals for which the kernel has no room.
func queueUsedUp() error {
	const sig = syscall.Signal(40)
	s, err := signalfd.New(signalfd.NewSet(sig))
	if err != nil {
		return err
	}
	defer s.Close()
	self, err := pidfd.Self()
	if err != nil {
		return err
	}
	defer self.Close()
	restore, err := limit(unix.RLIMIT_SIGPENDING, 0)
	if err != nil {
		return err
	}
	full := self.Queue(sig, 1)
	restore()
	if full != fd.ErrWouldBlock {
		return fmt.Errorf("with no room Queue gave %w", full)
	}
	if err := self.Queue(sig, 7); err != nil {
		return err
	}
	var at setup
	info, err := s.ReadContext(later(&at))
	return gives(7)(info.Int, err)
}

// fileSizeUsedUp writes what fits, and says what does not.
func fileSizeUsedUp() error {
	m, err := memfd.New("faults")
	if err != nil {
		return err
	}
	defer m.Close()
	restore, err := limit(unix.RLIMIT_FSIZE, 6)
	if err != nil {
		return err
	}
	n, writing := m.Write([]byte("text that is too long"))
	truncating := m.Truncate(100)
	restore()
	if !errors.Is(writing, unix.EFBIG) || !errors.Is(truncating, unix.EFBIG) {
		return fmt.Errorf("over the limit Write gave %v, Truncate %v", writing, truncating)
	}
	b := make([]byte, n)
	_, err = m.ReadAt(b, 0)
	return errors.Join(gives("text t")(string(b), err), second(m.Write([]byte("more"))))
}

// addressesUsedUp maps more than there is room for.
func addressesUsedUp() error {
	m, err := memfd.New("faults")
	if err != nil {
		return err
	}
	defer m.Close()
	const size = 1 << 30
	if err := m.Truncate(size); err != nil {
		return err
	}
	restore, err := limit(unix.RLIMIT_AS, size)
	if err != nil {
		return err
	}
	_, full := m.Map(0, size, memfd.ReadOnly)
	restore()
	if !namesCall(full, "mmap", unix.ENOMEM) {
		return fmt.Errorf("with no room Map gave %w", full)
	}
	return closing(m.Map(0, size, memfd.ReadOnly))
}

// runLimit is a child's part.
func runLimit(argument string) error {
	index, err := strconv.Atoi(argument)
	if err != nil {
		return err
	}
	return limits[index].use()
}
