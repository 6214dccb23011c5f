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
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// The base is the handles that stay open beside the lives. Each is visited now and
// then, and at the end, and must still have its state.
type base struct {
	residents []resident
	waiting   group // on some of them, until they are closed
	memory    []occupancy
}

// A resident is a handle of the base, or two that belong together.
type resident interface {
	visit(i int) error // i is the number with which it was made
	Close() error
}

// An occupancy is the memory that a kind of residents takes.
type occupancy struct {
	name            string
	handles         int
	library, kernel float64 // bytes a handle
}

// watched is how many descriptors the lives have room for, or half of RLIMIT_NOFILE if
// that is less. They are the lowest, because fdtest knows the origins of the first
// 4096. The base is opened above them.
const watched = 1024

const far = 1000 * time.Hour

func (b *base) kinds() []struct {
	name    string
	share   int // of 100 handles
	handles int // that a resident is
	open    func(i int) (resident, error)
} {
	return []struct {
		name    string
		share   int
		handles int
		open    func(i int) (resident, error)
	}{
		{"eventfd", 30, 1, func(i int) (resident, error) {
			e, err := eventfd.New(uint64(i))
			return counter{e}, err
		}},
		{"eventfd, waited on", 5, 1, b.openAwaited},
		{"timerfd, armed", 20, 1, func(int) (resident, error) {
			t, err := timerfd.New(clocks[rand.N(len(clocks))])
			if err == nil {
				err = t.Arm(far, 0)
			}
			return timer{t}, err
		}},
		{"pidfd", 20, 1, func(int) (resident, error) {
			p, err := pidfd.Self()
			return process{p}, err
		}},
		{"memfd of 8 bytes", 10, 1, func(i int) (resident, error) {
			m, err := memfd.NewSealed("base", binary.NativeEndian.AppendUint64(nil, uint64(i)))
			return file{m}, err
		}},
		{"signalfd", 5, 1, func(int) (resident, error) {
			s, err := signalfd.Open(signalfd.NewSet(unix.SIGUSR1))
			return idle{s}, err
		}},
		{"fd: pipes", 6, 2, func(int) (resident, error) { return openEnds(pipe) }},
		{"fd: sockets", 4, 2, func(int) (resident, error) { return openEnds(socketPair) }},
	}
}

type (
	counter struct{ *eventfd.EventFD }
	timer   struct{ *timerfd.TimerFD }
	process struct{ *pidfd.PidFD }
	file    struct{ *memfd.MemFD }
	idle    struct{ *signalfd.SignalFD }
	awaited struct{ *eventfd.EventFD }
	ends    struct{ r, w *fd.FD }
)

func (c counter) visit(i int) error {
	if i == 0 {
		return nil
	}
	n, err := c.Wait()
	if err == nil && n != uint64(i) {
		err = fmt.Errorf("an eventfd of %d has the value %d", i, n)
	}
	return errors.Join(err, c.Signal(n))
}

func (t timer) visit(int) error {
	left, _, err := t.Remaining()
	// The time that is left depends on the clock, and a wall clock may be set.
	if steady := t.Clock() == timerfd.Monotonic || t.Clock() == timerfd.Boottime; err == nil && steady && (left <= 0 || left > far) {
		err = fmt.Errorf("a timer of %v has %v left", far, left)
	}
	return err
}

func (p process) visit(int) error {
	alive, err := p.Alive()
	if err == nil && !alive {
		err = errors.New("a pidfd says that this process has ended")
	}
	return err
}

func (f file) visit(i int) error {
	var p [8]byte
	_, err := f.ReadAt(p[:], 0)
	if n := binary.NativeEndian.Uint64(p[:]); err == nil && n != uint64(i) {
		err = fmt.Errorf("a memfd of %d holds %d", i, n)
	}
	return err
}

func (s idle) visit(int) error {
	info, err := s.Read()
	if err == nil {
		return fmt.Errorf("nobody sent %v", info)
	}
	return unlessWouldBlock(err)
}

func (a awaited) visit(int) error {
	_, err := a.Wait()
	return unlessWouldBlock(err)
}

func unlessWouldBlock(err error) error {
	if err == fd.ErrWouldBlock {
		return nil
	}
	return err
}

func (e ends) visit(i int) error {
	sent, got := byte(i), make([]byte, 2)
	_, err := e.w.Write([]byte{sent})
	n, readErr := e.r.Read(got)
	if err = errors.Join(err, readErr); err == nil && (n != 1 || got[0] != sent) {
		err = fmt.Errorf("%d was written, and what came out is %d", sent, got[:n])
	}
	return err
}

func (e ends) Close() error { return errors.Join(e.r.Close(), e.w.Close()) }

func openEnds(pair func(int) (r, w *fd.FD, err error)) (resident, error) {
	r, w, err := pair(unix.O_NONBLOCK)
	return ends{r, w}, err
}

// openAwaited opens an eventfd that a goroutine waits on.
func (b *base) openAwaited(int) (resident, error) {
	e, err := eventfd.New(0)
	if err == nil {
		b.waiting.do(1, func() error {
			if _, err := e.WaitContext(context.Background()); !errors.Is(err, fd.ErrClosed) {
				return fmt.Errorf("a wait for nothing returned %v, not %v", err, fd.ErrClosed)
			}
			return nil
		})
	}
	return awaited{e}, err
}

// openBase opens that many handles, above the descriptors of the lives.
func openBase(handles, lives int) (*base, error) {
	b := new(base)
	low, err := occupy(lives)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, file := range low {
			_ = file.Close()
		}
	}()
	b.residents = make([]resident, 0, handles)
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
				return b, fmt.Errorf("%s, after %d handles: %w", k.name, len(b.residents), err)
			}
			b.residents = append(b.residents, r)
		}
		for deadline := time.Now().Add(patience); k.name == "eventfd, waited on" && waiting() < parked+count && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		each := float64(count * k.handles)
		b.memory = append(b.memory, occupancy{k.name, count * k.handles, (inUse() - before) / each, (kernelMemory() - kernelBefore) / each})
	}
	return b, nil
}

// occupy opens something under all numbers below n, so that the next descriptors get
// numbers above it.
func occupy(n int) ([]*os.File, error) {
	var files []*os.File
	for {
		file, err := os.Open(os.DevNull)
		if err != nil {
			return files, err
		}
		files = append(files, file)
		if file.Fd() >= uintptr(n) {
			return files, nil
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
func kernelMemory() (bytes float64) {
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && (f[0] == "Slab:" || f[0] == "Shmem:" || f[0] == "VmallocUsed:") {
			kib, _ := strconv.ParseFloat(f[1], 64)
			bytes += kib * 1024
		}
	}
	return bytes
}

// visitOne visits a random resident.
func (b *base) visitOne() error {
	if len(b.residents) == 0 {
		return nil
	}
	i := rand.N(len(b.residents))
	return b.residents[i].visit(i)
}

// close visits all residents and closes them. A goroutine that waits on one must get
// the error.
func (b *base) close() error {
	var errs []error
	for i, r := range b.residents {
		errs = append(errs, r.visit(i), r.Close())
	}
	return errors.Join(append(errs, b.waiting.wait())...)
}

func (b *base) print(w io.Writer) {
	fmt.Fprintf(w, "%-20s %9s %14s %14s\n", "stays open", "handles", "B in process", "B in kernel")
	for _, m := range b.memory {
		fmt.Fprintf(w, "%-20s %9d %14.0f %14.0f\n", m.name, m.handles, m.library, m.kernel)
	}
}
