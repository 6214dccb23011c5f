package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/timerfd"
)

// The base is the handles that stay open beside the lives. Each is visited now and
// then, and at the end, and must still have its state.
type base struct {
	residents []resident
	waiting   group // on some of them, until they are closed
}

// A resident is a handle of the base, or two that belong together. Its number is its
// index in the base.
type resident struct {
	io.Closer
	*kind
}

type kind struct {
	name    string
	share   int // of 100 handles
	handles int // of a resident
	open    func(number int) io.Closer
	visit   func(handle io.Closer, number int)
}

func kindOf[H io.Closer](name string, share, handles int, open func(number int) H, visit func(handle H, number int)) kind {
	return kind{
		name, share, handles,
		func(number int) io.Closer { return open(number) },
		func(handle io.Closer, number int) { visit(handle.(H), number) },
	}
}

const far = 1000 * time.Hour

func (b *base) kinds() []kind {
	return []kind{
		kindOf("eventfd", 30, 1, func(number int) *eventfd.EventFD {
			return try.Get(eventfd.New(uint64(number)))
		}, func(e *eventfd.EventFD, number int) {
			if number > 0 {
				n := try.Get(e.Wait())
				expect(n, uint64(number), "the value of an eventfd")
				try.Check(e.Signal(n))
			}
		}),
		kindOf(awaited, 5, 1, func(int) *eventfd.EventFD {
			e := try.Get(eventfd.New(0))
			b.waiting.do(1, func() {
				if _, err := e.WaitContext(context.Background()); !errors.Is(err, fd.ErrClosed) {
					try.Check(fmt.Errorf("a wait until Close returned %v", err))
				}
			})
			return e
		}, func(e *eventfd.EventFD, _ int) {
			_, err := e.Wait()
			expect(err, fd.ErrWouldBlock, "the error of an eventfd of 0")
		}),
		kindOf("timerfd, armed", 20, 1, func(int) *timerfd.TimerFD {
			t := try.Get(timerfd.New(clocks[rand.N(len(clocks))]))
			try.Check(t.Arm(far, 0))
			return t
		}, func(t *timerfd.TimerFD, _ int) {
			left, _, err := t.Remaining()
			try.Check(err)
			// The time that is left depends on the clock, and a wall clock may be set.
			expect(isWall(t.Clock()) || left > 0 && left <= far, true, "a timer is armed")
		}),
		kindOf("pidfd", 20, 1, func(int) *pidfd.PidFD {
			return try.Get(pidfd.Self())
		}, func(p *pidfd.PidFD, _ int) {
			expect(try.Get(p.Alive()), true, "this process is alive")
		}),
		kindOf("memfd of 8 bytes", 10, 1, func(number int) *memfd.MemFD {
			return try.Get(memfd.NewSealed("base", binary.NativeEndian.AppendUint64(nil, uint64(number))))
		}, func(m *memfd.MemFD, number int) {
			var p [8]byte
			try.Get(m.ReadAt(p[:], 0))
			expect(binary.NativeEndian.Uint64(p[:]), uint64(number), "the content of a memfd")
		}),
		kindOf("signalfd", 5, 1, func(int) *signalfd.SignalFD {
			return try.Get(signalfd.Open(signalfd.NewSet(unix.SIGUSR1)))
		}, func(s *signalfd.SignalFD, _ int) {
			_, err := s.Read()
			expect(err, fd.ErrWouldBlock, "the error of a signalfd without signals")
		}),
		kindOf("fd: pipes", 6, 2, func(int) ends { return pipe(unix.O_NONBLOCK) }, visitEnds),
		kindOf("fd: sockets", 4, 2, func(int) ends { return socketPair(unix.O_NONBLOCK) }, visitEnds),
	}
}

const awaited = "eventfd, waited on"

func visitEnds(e ends, number int) {
	sent, got := byte(number), make([]byte, 2)
	try.Get(e.w.Write([]byte{sent}))
	expect(try.Get(e.r.Read(got)), 1, "the bytes that came out")
	expect(got[0], sent, "the byte that came out")
}

// expect fails if a resident has not the state in which it was left.
func expect[T comparable](got, want T, what string) {
	if got != want {
		try.Check(fmt.Errorf("%s: %v instead of %v", what, got, want))
	}
}

// openBase opens that many handles, above the descriptors of the lives. If the limit of
// descriptors does not allow them, it says so and opens fewer. It prints the memory that
// a handle of each kind takes.
func openBase(wanted int, out io.Writer) *base {
	b := new(base)
	handles, low := makeRoom(wanted, out)
	defer func() {
		for _, file := range low {
			_ = file.Close()
		}
	}()
	b.residents = make([]resident, 0, handles)
	fmt.Fprintf(out, "%-20s %9s %14s %14s\n", "stays open", "handles", "B in process", "B in kernel")
	for _, k := range b.kinds() {
		count := handles * k.share / 100 / k.handles
		if count == 0 {
			continue
		}
		parked := waiting()
		before, kernelBefore := inUse(), kernelMemory()
		for range count {
			b.residents = append(b.residents, resident{k.open(len(b.residents)), &k})
		}
		if k.name == awaited {
			b.waiting.awaitParked(parked + count)
		}
		each := float64(count * k.handles)
		fmt.Fprintf(out, "%-20s %9.0f %14.0f %14.0f\n", k.name, each, (inUse()-before)/each, (kernelMemory()-kernelBefore)/each)
	}
	return b
}

// makeRoom raises the limit of descriptors, and returns how many of the wanted handles
// fit into it. It opens something under the numbers that the lives get, because
// systest knows the origins of low numbers only.
func makeRoom(wanted int, out io.Writer) (handles int, low []*os.File) {
	// Some handles of each hundred are waited on, which takes six descriptors more.
	const forLives, descriptors, each, spare = 1024, 106, 100, 16
	most := try.Get(program.RaiseDescriptors(forLives + spare + (wanted/each+1)*descriptors))
	lives := min(forLives, most/2)
	handles = min(wanted, max(most-lives-spare, 0)*each/descriptors)
	if handles < wanted {
		fmt.Fprintf(out, "RLIMIT_NOFILE cannot be raised over %d: %d handles stay open instead of %d\n", most, handles, wanted)
	}
	for {
		file := try.Get(os.Open(os.DevNull))
		low = append(low, file)
		if file.Fd() >= uintptr(lives) {
			return handles, low
		}
	}
}

// inUse returns the bytes on the heap and on stacks, and those that the runtime
// keeps beside them for its poller.
func inUse() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the second cycle frees what the first has found
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) + float64(m.StackInuse) + float64(m.OtherSys)
}

// kernelMemory returns the bytes that the kernel has for its objects, and for the pages
// of memfds. They are those of the whole machine, because the kernel reports no smaller
// unit.
func kernelMemory() float64 {
	memory := numbers("/proc/meminfo")
	return memory["Slab"] + memory["Shmem"] + memory["VmallocUsed"]
}

func (r resident) check(number int) error {
	if err := try.Run(func() { r.visit(r.Closer, number) }); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

// visitOne visits a random resident.
func (b *base) visitOne() {
	if len(b.residents) > 0 {
		number := rand.N(len(b.residents))
		try.Check(b.residents[number].check(number))
	}
}

// close visits all residents and closes them. A goroutine that waits on one must get
// the error.
func (b *base) close() error {
	var errs []error
	for number, r := range b.residents {
		errs = append(errs, r.check(number), r.Close())
	}
	return errors.Join(append(errs, b.waiting.wait())...)
}
