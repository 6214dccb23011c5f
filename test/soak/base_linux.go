package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
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

// A resident is a handle of the base, or two that belong together.
type resident struct {
	io.Closer
	visit func()
}

// A kind opens residents. Their states differ by a number.
type kind struct {
	share int // residents for 100 handles
	open  func(number int) resident
}

const far = 1000 * time.Hour

func (b *base) kinds() []kind {
	return []kind{
		{30, func(number int) resident {
			value := uint64(1 + number)
			e := try.Get(eventfd.New(value))
			return resident{e, func() {
				expect(try.Get(e.Wait()), value, "the value of an eventfd")
				try.Check(e.Signal(value))
			}}
		}},
		{5, func(int) resident {
			e := try.Get(eventfd.New(0))
			b.waiting.do(1, func() {
				_, err := e.WaitContext(context.Background())
				expect(err, fd.ErrClosed, "the error of a wait until Close")
			})
			return resident{e, func() {
				_, err := e.Wait()
				expect(err, fd.ErrWouldBlock, "the error of an eventfd of 0")
			}}
		}},
		{20, func(int) resident {
			t := try.Get(timerfd.New(clocks[rand.N(len(clocks))]))
			try.Check(t.Arm(far, 0))
			return resident{t, func() {
				left, _, err := t.Remaining()
				try.Check(err)
				// The time that is left depends on the clock, and a wall clock may be set.
				expect(isWall(t.Clock()) || left > 0 && left <= far, true, "a timer is armed")
			}}
		}},
		{20, func(int) resident {
			p := try.Get(pidfd.Self())
			return resident{p, func() { expect(try.Get(p.Alive()), true, "this process is alive") }}
		}},
		{10, func(number int) resident {
			content := binary.NativeEndian.AppendUint64(nil, uint64(number))
			m := try.Get(memfd.NewSealed("base", content))
			return resident{m, func() {
				got := make([]byte, len(content))
				try.Get(m.ReadAt(got, 0))
				expect(string(got), string(content), "the content of a memfd")
			}}
		}},
		{5, func(int) resident {
			s := try.Get(signalfd.Open(signalfd.NewSet(unix.SIGUSR1)))
			return resident{s, func() {
				_, err := s.Read()
				expect(err, fd.ErrWouldBlock, "the error of a signalfd without signals")
			}}
		}},
		{3, func(number int) resident { return stream(pipe(unix.O_NONBLOCK), byte(number)) }},
		{2, func(number int) resident { return stream(socketPair(unix.O_NONBLOCK), byte(number)) }},
	}
}

func stream(e ends, sent byte) resident {
	return resident{e, func() {
		try.Get(e.w.Write([]byte{sent}))
		got := make([]byte, 2)
		expect(try.Get(e.r.Read(got)), 1, "the bytes that came out")
		expect(got[0], sent, "the byte that came out")
	}}
}

// expect fails if a resident has not the state in which it was left.
func expect[T comparable](got, want T, what string) {
	if got != want {
		try.Check(fmt.Errorf("%s: %v instead of %v", what, got, want))
	}
}

// openBase opens that many handles, above the descriptors of the lives. If the limit of
// descriptors does not allow them, it says so and opens fewer.
func openBase(wanted int, out io.Writer) *base {
	b := new(base)
	handles, low := makeRoom(wanted, out)
	defer func() {
		for _, file := range low {
			_ = file.Close()
		}
	}()
	for _, k := range b.kinds() {
		for range handles * k.share / 100 {
			b.residents = append(b.residents, k.open(len(b.residents)))
		}
	}
	fmt.Fprintln(out, handles, "handles stay open")
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

// visit is a life that visits random residents.
func (b *base) visit(a *account) {
	visits := min(100, len(b.residents))
	for range visits {
		b.residents[rand.N(len(b.residents))].visit()
	}
	a.calls.Add(uint64(visits))
	a.settle(uint64(visits), uint64(visits))
}

// close visits all residents and closes them. A goroutine that waits on one must get
// the error.
func (b *base) close() error {
	var errs []error
	for _, r := range b.residents {
		errs = append(errs, try.Run(r.visit), r.Close())
	}
	return errors.Join(append(errs, b.waiting.wait())...)
}
