package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// sysTrials refuse the calls that package sys makes for all handles.
var sysTrials = []trial{
	{by: "internal/sys", call: "read", op: "EventFD.Wait", run: on(five, func(e *eventfd.EventFD) error { return gives[uint64](5)(e.Wait()) })},
	{by: "internal/sys", call: "read", op: "EventFD.WaitContext", run: func(a *attempt) { waitsForFive(a, five(a)) }},
	{by: "internal/sys", call: "read", op: "FD.Read, in blocking mode", run: func(a *attempt) {
		r, w := pipe(a, 0)
		put(a, w, "text")
		a.repeat(r.Fd(), reads(r.Read, "text"))
	}},
	{by: "internal/sys", call: "write", op: "EventFD.Signal", run: func(a *attempt) {
		e := counter(a, 0)
		added := uint64(0)
		if a.refuse(e.Fd(), func() error { return e.Signal(7) }) == nil {
			added = 7
		}
		a.must(e.Signal(1), gives(added+1)(e.Wait()))
	}},
	{by: "internal/sys", call: "write", op: "FD.Write, of more than fits", run: func(a *attempt) {
		r, w := pipe(a, unix.O_NONBLOCK)
		const size = 1 << 17 // twice what a pipe holds
		written := 0
		_ = a.refuse(w.Fd(), func() (err error) {
			written, err = w.Write(make([]byte, size))
			if err == fd.ErrWouldBlock && written == 1<<16 {
				return nil // as it should
			}
			return err
		})
		got, err := readAll(r.Read)
		a.must(gives(written)(got, nil), gives(fd.ErrWouldBlock)(err, nil))
	}},
	writeTrial("write", "FD.WriteContext, of more than a FIFO holds", fifo),
	writeTrial("pwritev2", "FD.WriteContext, of more than a pipe holds", pipe),
	writeTrial("sendto", "FD.WriteContext, of more than a socket holds", streamSockets),
	{by: "internal/sys", call: "close", op: "FD.Close", run: func(a *attempt) {
		r, _ := pipe(a, 0)
		closesOnce(a, r)
	}},
	{by: "internal/sys/bare", call: "close", op: "EventFD.Close", run: func(a *attempt) { closesOnce(a, counter(a, 0)) }},
	{
		by: "internal/sys", call: "preadv2", op: "EventFD.WaitContext, after Dup",
		made: withoutRace, // see unwaiting in package sys
		run: func(a *attempt) {
			e := five(a)
			d, err := e.Dup()
			closes(a, d, err)
			waitsForFive(a, e)
		},
	},
	readTrial("preadv2", "FD.ReadContext, in blocking mode", pipe, 0),
	readTrial("recvfrom", "FD.ReadContext, of a socket", streamSockets, 0),
	readTrial("read", "FD.ReadContext, of a FIFO", fifo, unix.O_NONBLOCK),
	readTrial("fcntl F_GETFL", "FD.ReadContext, of a FIFO", fifo, unix.O_NONBLOCK),
	readTrial("ppoll", "FD.ReadContext, of a FIFO in blocking mode", fifo, 0),
	{by: "internal/sys", call: "ppoll", op: "FD.ReadContext, parked", run: func(a *attempt) {
		r, w := pipe(a, unix.O_NONBLOCK)
		_ = a.refuse(every, waits(r))
		put(a, w, "text")
		a.must(reads(r.Read, "text")())
	}},
	readTrial("statx", "FD.ReadContext, the first", pipe, unix.O_NONBLOCK),
	// The library makes fstat(2) only if statx(2) fails: the trial refuses both.
	{by: "internal/sys", call: "fstat", op: "FD.ReadContext, the first, without statx", run: func(a *attempt) {
		a.must(filterAll(systest.Refusal{Call: unix.SYS_STATX, Errno: unix.ENOSYS, Arg: 4, Value: unix.STATX_TYPE}))
		readsInTime(a, pipe, unix.O_NONBLOCK)
	}},
	{by: "internal/sys", call: "getsockopt SO_TYPE", op: "FD.WriteContext, the first to a socket", run: func(a *attempt) {
		r, w := socketPair(a, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK)
		ctx := soon(a)
		a.repeat(every, func() error {
			return errors.Join(second(w.WriteContext(ctx, []byte("text"))), reads(r.Read, "text")())
		})
	}},
	{by: "internal/sys", call: "getsockopt SO_TYPE", op: "FD.Read, at the end of a stream", run: func(a *attempt) {
		r, w := streamSockets(a, unix.O_NONBLOCK)
		a.must(w.Close())
		a.repeat(every, func() error {
			n, err := r.Read(make([]byte, 1))
			return errors.Join(gives(0)(n, nil), gives(io.EOF)(err, nil))
		})
	}},
	{by: "internal/sys", call: "getsockopt SO_TYPE", op: "FD.Read, of an empty datagram", run: func(a *attempt) {
		r, w := socketPair(a, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK)
		put(a, w, "")
		_ = a.refuse(every, func() error {
			_, err := r.Read(make([]byte, 1))
			if err == io.EOF {
				return outcome("`io.EOF`")
			}
			return err
		})
		put(a, w, "text")
		a.must(reads(r.Read, "text")())
	}},
	{by: "internal/sys", call: "fcntl F_GETFL", op: "FD.SetNonblock(true)", run: setNonblock(true)},
	{by: "internal/sys", call: "fcntl F_SETFL", op: "FD.SetNonblock(true)", run: setNonblock(true)},
	{by: "internal/sys", call: "fcntl F_SETFL", op: "FD.SetNonblock(false)", run: setNonblock(false)},
	{
		// A background goroutine registers, and no call waits for it.
		by: "internal/sys", call: "membarrier REGISTER_PRIVATE_EXPEDITED", op: "EventFD.Signal, 100 times",
		once: true, made: sys.Registered,
		run: func(a *attempt) {
			e := counter(a, 0)
			_ = a.refuse(every, func() error {
				return withoutFail(errors.Join(signals(e), gives(false)(sys.Registered(), nil), signals(e)))
			})
			a.must(signals(e), e.Close())
		},
	},
	{
		by: "internal/sys", call: "membarrier PRIVATE_EXPEDITED", op: "FD.Close, while another goroutine is the owner",
		made: sys.Registered,
		run: func(a *attempt) {
			a.must(gives(true)(sys.Registered(), nil)) // before, no goroutine becomes the owner
			e := counter(a, 0)
			owns, stop := make(chan struct{}), make(chan struct{})
			a.later(func() { close(stop) })
			go func() {
				for range 100 {
					_ = e.Signal(1)
				}
				close(owns)
				<-stop // until then no other goroutine has its identity
			}()
			<-owns
			_ = a.refuse(every, func() error { return withoutFail(e.Close()) })
			a.must(gives(fd.ErrClosed)(e.Signal(1), nil))
		},
	},
}

// withoutFail is for calls that are made only once, whatever errno they return.
func withoutFail(err error) error {
	if err == nil {
		return outcome("does without")
	}
	return err
}

func signals(e *eventfd.EventFD) error {
	for range 100 {
		if err := e.Signal(1); err != nil {
			return err
		}
	}
	return gives[uint64](100)(e.Wait())
}

func five(a *attempt) *eventfd.EventFD { return counter(a, 5) }

// waitsForFive tries a wait for a counter whose value is 5.
func waitsForFive(a *attempt, e *eventfd.EventFD) {
	ctx := soon(a)
	a.refuseThen(e.Fd(), func() error { return gives[uint64](5)(e.WaitContext(ctx)) },
		func() error { return gives[uint64](5)(e.Wait()) })
}

// closesOnce tries to close a handle. The filter answers the call, so the kernel has not
// closed the number that the error is about. Another call would close it.
func closesOnce(a *attempt, h owner) {
	number := h.Fd()
	_ = a.refuse(number, func() error {
		err := h.Close()
		switch {
		case a.errno == unix.EINTR && err == nil:
			return outcome("closed")
		case a.errno == unix.EINTR:
			return fmt.Errorf("EINTR does not stop close(2): %v", err)
		case namesCall(err, "close", a.errno), err == fd.ErrWouldBlock && a.errno == unix.EAGAIN:
			return outcome("error, closed")
		}
		return err
	})
	if a.refused > 0 {
		a.must(unix.Close(number))
	}
	a.must(h.Close(), gives(-1)(h.Fd(), nil))
}

// An opener makes two connected ends, in blocking mode or with O_NONBLOCK.
type opener func(a *attempt, flags int) (r, w *fd.FD)

// readTrial tries a ReadContext that finds data.
func readTrial(call, op string, open opener, flags int) trial {
	return trial{by: "internal/sys", call: call, op: op, run: func(a *attempt) { readsInTime(a, open, flags) }}
}

// readsInTime tries a ReadContext that finds data. If it fails, a Read finds the same
// data.
func readsInTime(a *attempt, open opener, flags int) {
	r, w := open(a, flags)
	put(a, w, "text")
	number := r.Fd()
	if a.call == "ppoll" {
		number = every // because the first argument is a pointer
	}
	ctx := soon(a)
	a.refuseThen(number, reads(func(b []byte) (int, error) { return r.ReadContext(ctx, b) }, "text"), reads(r.Read, "text"))
}

// writeTrial tries a WriteContext of more than fits, while another goroutine reads.
func writeTrial(call, op string, open opener) trial {
	return trial{by: "internal/sys", call: call, op: op, run: func(a *attempt) {
		r, w := open(a, unix.O_NONBLOCK)
		// Longer than soon: the reader has much to read, on a busy machine too.
		ctx, cancel := context.WithTimeout(context.Background(), patience/4)
		a.later(cancel)
		written := 0
		read := make(chan int, 1)
		go func() {
			n, _ := readAll(func(b []byte) (int, error) { return r.ReadContext(context.Background(), b) })
			read <- n
		}()
		_ = a.refuse(w.Fd(), func() (err error) {
			written, err = w.WriteContext(ctx, make([]byte, 1<<19))
			return err
		})
		a.must(w.Close()) // the end of what is read
		a.must(gives(written)(<-read, nil))
	}}
}

// readAll reads until there is an error, and returns how many bytes it has read.
func readAll(read func([]byte) (int, error)) (total int, err error) {
	b := make([]byte, 1<<16)
	for err == nil {
		var n int
		n, err = read(b)
		total += n
	}
	return total, err
}

// setNonblock tries to change the mode of a pipe's end.
func setNonblock(nonblock bool) func(*attempt) {
	return func(a *attempt) {
		flags := 0
		if !nonblock {
			flags = unix.O_NONBLOCK
		}
		r, w := usedPipe(a, flags)
		err := a.refuse(r.Fd(), func() error { return r.SetNonblock(nonblock) })
		a.must(gives(nonblock == (err == nil))(r.Nonblock()))
		put(a, w, "text")
		a.must(reads(r.Read, "text")())
	}
}
