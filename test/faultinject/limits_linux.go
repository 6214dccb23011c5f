package main

import (
	"context"
	"errors"
	"fmt"
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

// limits are faults that the kernel makes itself, if a limit is reached. Each is used up in
// a child, because limits are the process's.
var limits = []struct {
	name   string
	use    func(a *attempt)
	effect string // what the page says of it
}{
	{"RLIMIT_NOFILE", descriptorsUsedUp, "whatever makes a descriptor says EMFILE, with any number of them left, and leaves none open"},
	{"RLIMIT_SIGPENDING", queueUsedUp, "`PidFD.Queue` says `ErrWouldBlock`; the next signal arrives"},
	{"RLIMIT_FSIZE", fileSizeUsedUp, "`MemFD.Write` writes what fits and says EFBIG, as `Truncate` does"},
	{"RLIMIT_AS", addressesUsedUp, "`MemFD.Map` says ENOMEM"},
	{ofGroup, memoryUsedUp, "the kernel kills a process that writes to a memfd beyond it: no call fails. Other processes learn that by the `PidFD`, and have the bytes that were written"},
}

// runLimit is a child's part.
func runLimit(argument string) error {
	index, err := strconv.Atoi(argument)
	if err != nil {
		return err
	}
	a := &attempt{trial: &trial{run: limits[index].use}}
	a.make()
	return a.problem
}

// under calls f with one of the limits of getrlimit(2) lowered.
func under(a *attempt, resource int, limit uint64, f func()) {
	var was unix.Rlimit
	a.must(unix.Getrlimit(resource, &was))
	a.must(unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: was.Max}))
	f()
	a.must(unix.Setrlimit(resource, &was))
}

// makers are the operations that take descriptors.
var makers = map[string]func() error{
	"eventfd.New":     func() error { return closing(eventfd.New(0)) },
	"timerfd.New":     func() error { return closing(timerfd.New(timerfd.Monotonic)) },
	"memfd.New":       func() error { return closing(memfd.New("faults")) },
	"memfd.NewSealed": func() error { return closing(memfd.NewSealed("faults", []byte(content))) },
	"memfd.NewSecret": func() error { return closing(memfd.NewSecret()) },
	"pidfd.Self":      func() error { return closing(pidfd.Self()) },
	"signalfd.New":    func() error { return closing(signalfd.New(usr1)) },
	"signalfd.Open":   func() error { return closing(signalfd.Open(usr1)) },
}

// descriptorsUsedUp leaves none, then one, and so on, until the operation works.
func descriptorsUsedUp(a *attempt) {
	for name, open := range makers {
		a.must(open()) // what it takes once is there
		before := systest.OpenDescriptors()
		for free, failed := 0, true; failed; free++ {
			var err error
			under(a, unix.RLIMIT_NOFILE, uint64(firstFree(free)), func() { err = open() })
			if left := before.Left(); left != "" {
				a.must(fmt.Errorf("%s with %d descriptors left open: %s", name, free, left))
			}
			failed = err != nil || free == 0
			if failed && !errors.Is(err, unix.EMFILE) {
				a.must(fmt.Errorf("%s with %d descriptors gave: %v", name, free, err))
			}
		}
	}
}

// firstFree returns the lowest number that is free if n lower ones are used.
func firstFree(n int) int {
	for number := 0; ; number++ {
		if _, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0); err == nil {
			continue
		}
		if n == 0 {
			return number
		}
		n--
	}
}

// queueUsedUp sends signals for which the kernel has no room.
func queueUsedUp(a *attempt) {
	const sig = syscall.Signal(40)
	s, err := signalfd.New(signalfd.NewSet(sig))
	closes(a, s, err)
	self, err := pidfd.Self()
	closes(a, self, err)
	under(a, unix.RLIMIT_SIGPENDING, 0, func() { err = self.Queue(sig, 1) })
	a.must(gives(fd.ErrWouldBlock)(err, nil), self.Queue(sig, 7))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	info, err := s.ReadContext(ctx)
	a.must(gives(7)(info.Int, err))
}

// fileSizeUsedUp writes what fits, and says what does not.
func fileSizeUsedUp(a *attempt) {
	m, err := memfd.New("faults")
	closes(a, m, err)
	var n int
	var writing, truncating error
	under(a, unix.RLIMIT_FSIZE, 6, func() {
		n, writing = m.Write([]byte("text that is too long"))
		truncating = m.Truncate(100)
	})
	if !errors.Is(writing, unix.EFBIG) || !errors.Is(truncating, unix.EFBIG) {
		a.must(fmt.Errorf("over the limit Write gave %w, Truncate %w", writing, truncating))
	}
	b := make([]byte, n)
	_, err = m.ReadAt(b, 0)
	a.must(gives("text t")(string(b), err), second(m.Write([]byte("more"))))
}

// addressesUsedUp maps more than there is room for.
func addressesUsedUp(a *attempt) {
	m, err := memfd.New("faults")
	closes(a, m, err)
	const size = 1 << 30
	a.must(m.Truncate(size))
	under(a, unix.RLIMIT_AS, size, func() { _, err = m.Map(0, size, memfd.ReadOnly) })
	if !namesCall(err, "mmap", unix.ENOMEM) {
		a.must(fmt.Errorf("with no room Map gave %w", err))
	}
	a.must(closing(m.Map(0, size, memfd.ReadOnly)))
}
