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
	open    func(number int) (io.Closer, error)
	visit   func(handle io.Closer, number int) error
}

func kindOf[H io.Closer](name string, share, handles int, open func(number int) (H, error), visit func(handle H, number int) error) kind {
	return kind{
		name, share, handles,
		func(number int) (io.Closer, error) { return open(number) },
		func(handle io.Closer, number int) error { return visit(handle.(H), number) },
	}
}

const far = 1000 * time.Hour

func (b *base) kinds() []kind {
	return []kind{
		kindOf("eventfd", 30, 1, openCounter, visitCounter),
		kindOf("eventfd, waited on", 5, 1, b.openAwaited, func(e *eventfd.EventFD, _ int) error {
			_, err := e.Wait()
			return unlessWouldBlock(err)
		}),
		kindOf("timerfd, armed", 20, 1, openTimer, visitTimer),
		kindOf("pidfd", 20, 1, func(int) (*pidfd.PidFD, error) { return pidfd.Self() }, func(p *pidfd.PidFD, _ int) error {
			alive, err := p.Alive()
			if err == nil && !alive {
				err = errors.New("a pidfd says that this process has ended")
			}
			return err
		}),
		kindOf("memfd of 8 bytes", 10, 1, openFile, visitFile),
		kindOf("signalfd", 5, 1, func(int) (*signalfd.SignalFD, error) {
			return signalfd.Open(signalfd.NewSet(unix.SIGUSR1))
		}, func(s *signalfd.SignalFD, _ int) error {
			_, err := s.Read()
			return unlessWouldBlock(err)
		}),
		kindOf("fd: pipes", 6, 2, func(int) (ends, error) { return openEnds(pipe) }, ends.visit),
		kindOf("fd: sockets", 4, 2, func(int) (ends, error) { return openEnds(socketPair) }, ends.visit),
	}
}

// unlessWouldBlock returns nil if err says that there was nothing to read.
func unlessWouldBlock(err error) error {
	switch err {
	case fd.ErrWouldBlock:
		return nil
	case nil:
		return errors.New("something was read that was not sent")
	}
	return err
}

func openCounter(number int) (*eventfd.EventFD, error) { return eventfd.New(uint64(number)) }

func visitCounter(e *eventfd.EventFD, number int) error {
	if number == 0 {
		return nil
	}
	n, err := e.Wait()
	if err == nil && n != uint64(number) {
		err = fmt.Errorf("an eventfd of %d has the value %d", number, n)
	}
	return errors.Join(err, e.Signal(n))
}

// openAwaited opens an eventfd that a goroutine waits on.
func (b *base) openAwaited(int) (*eventfd.EventFD, error) {
	e, err := eventfd.New(0)
	if err == nil {
		b.waiting.do(1, func() error {
			if _, err := e.WaitContext(context.Background()); !errors.Is(err, fd.ErrClosed) {
				return fmt.Errorf("a wait for nothing returned %v, not %v", err, fd.ErrClosed)
			}
			return nil
		})
	}
	return e, err
}

func openTimer(int) (*timerfd.TimerFD, error) {
	t, err := timerfd.New(clocks[rand.N(len(clocks))])
	if err == nil {
		err = t.Arm(far, 0)
	}
	return t, err
}

func visitTimer(t *timerfd.TimerFD, _ int) error {
	left, _, err := t.Remaining()
	// The time that is left depends on the clock, and a wall clock may be set.
	if err == nil && !isWall(t.Clock()) && (left <= 0 || left > far) {
		err = fmt.Errorf("a timer of %v has %v left", far, left)
	}
	return err
}

func openFile(number int) (*memfd.MemFD, error) {
	return memfd.NewSealed("base", binary.NativeEndian.AppendUint64(nil, uint64(number)))
}

func visitFile(m *memfd.MemFD, number int) error {
	var p [8]byte
	_, err := m.ReadAt(p[:], 0)
	if n := binary.NativeEndian.Uint64(p[:]); err == nil && n != uint64(number) {
		err = fmt.Errorf("a memfd of %d holds %d", number, n)
	}
	return err
}

type ends struct{ r, w *fd.FD }

func openEnds(open pair) (ends, error) {
	r, w, err := open(unix.O_NONBLOCK)
	return ends{r, w}, err
}

func (e ends) visit(number int) error {
	sent, got := byte(number), make([]byte, 2)
	_, err := e.w.Write([]byte{sent})
	n, readErr := e.r.Read(got)
	if err = errors.Join(err, readErr); err == nil && (n != 1 || got[0] != sent) {
		err = fmt.Errorf("%d was written, and what came out is %d", sent, got[:n])
	}
	return err
}

func (e ends) Close() error { return errors.Join(e.r.Close(), e.w.Close()) }

// openBase opens that many handles, above the descriptors of the lives. If the limit of
// descriptors does not allow them, it says so and opens fewer. It prints the memory that
// a handle of each kind takes.
func openBase(wanted int, out io.Writer) (*base, error) {
	b := new(base)
	handles, low, err := makeRoom(wanted, out)
	defer func() {
		for _, file := range low {
			_ = file.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
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
			r, err := k.open(len(b.residents))
			if err != nil {
				return nil, fmt.Errorf("%s, after %d handles: %w", k.name, len(b.residents), err)
			}
			b.residents = append(b.residents, resident{r, &k})
		}
		if k.name == "eventfd, waited on" {
			b.waiting.awaitParked(parked + count)
		}
		each := float64(count * k.handles)
		fmt.Fprintf(out, "%-20s %9.0f %14.0f %14.0f\n", k.name, each, (inUse()-before)/each, (kernelMemory()-kernelBefore)/each)
	}
	return b, nil
}

// makeRoom raises the limit of descriptors, and returns how many of the wanted handles
// fit into it. It opens something under the numbers that the lives get, because
// systest knows the origins of low numbers only.
func makeRoom(wanted int, out io.Writer) (handles int, low []*os.File, err error) {
	// Some handles of each hundred are waited on, which takes six descriptors more.
	const forLives, descriptors, each, spare = 1024, 106, 100, 16
	most, err := program.RaiseDescriptors(forLives + spare + (wanted/each+1)*descriptors)
	if err != nil {
		return 0, nil, err
	}
	lives := min(forLives, most/2)
	handles = min(wanted, max(most-lives-spare, 0)*each/descriptors)
	if handles < wanted {
		fmt.Fprintf(out, "RLIMIT_NOFILE cannot be raised over %d: %d handles stay open instead of %d\n", most, handles, wanted)
	}
	for {
		file, err := os.Open(os.DevNull)
		if err != nil {
			return 0, low, err
		}
		low = append(low, file)
		if file.Fd() >= uintptr(lives) {
			return handles, low, nil
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
	memory, _ := numbers("/proc/meminfo")
	return memory["Slab"] + memory["Shmem"] + memory["VmallocUsed"]
}

// visitOne visits a random resident.
func (b *base) visitOne() error {
	if len(b.residents) == 0 {
		return nil
	}
	i := rand.N(len(b.residents))
	return b.residents[i].visit(b.residents[i].Closer, i)
}

// close visits all residents and closes them. A goroutine that waits on one must get
// the error.
func (b *base) close() error {
	var errs []error
	for i, r := range b.residents {
		errs = append(errs, r.visit(r.Closer, i), r.Close())
	}
	return errors.Join(append(errs, b.waiting.wait())...)
}
