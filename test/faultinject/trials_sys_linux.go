package main

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// sysTrials refuse the calls that package sys makes for all handles.
var sysTrials = []trial{
	{
		by: "internal/sys", call: "read", op: "EventFD.Wait",
		prepare: func(s *setup) func() error {
			e := counter(s, 5)
			s.on(e.Fd())
			return func() error { return gives[uint64](5)(e.Wait()) }
		},
	},
	{
		by: "internal/sys", call: "read", op: "EventFD.WaitContext",
		prepare: func(s *setup) func() error {
			e := counter(s, 5)
			s.on(e.Fd())
			ctx := soon(s)
			s.after(func() error { return gives[uint64](5)(e.Wait()) })
			return func() error { return gives[uint64](5)(e.WaitContext(ctx)) }
		},
	},
	{
		by: "internal/sys", call: "read", op: "FD.Read, in blocking mode",
		prepare: func(s *setup) func() error {
			r, w := pipe(s, 0)
			put(s, w, "text")
			s.on(r.Fd())
			return reads(r.Read, "text")
		},
	},
	{
		by: "internal/sys", call: "write", op: "EventFD.Signal",
		prepare: func(s *setup) func() error {
			e := counter(s, 0)
			s.on(e.Fd())
			added := uint64(0)
			s.check(func(err error) error {
				if err == nil {
					added = 7
				}
				return errors.Join(e.Signal(1), gives(added+1)(e.Wait()))
			})
			return func() error { return e.Signal(7) }
		},
	},
	{
		by: "internal/sys", call: "write", op: "FD.Write, of more than fits",
		prepare: func(s *setup) func() error {
			r, w := pipe(s, unix.O_NONBLOCK)
			s.on(w.Fd())
			const size = 1 << 17 // twice what a pipe holds
			written := 0
			s.check(func(err error) error {
				return arrived(r, written)
			})
			return func() (err error) {
				written, err = w.Write(make([]byte, size))
				if err == fd.ErrWouldBlock && written == 1<<16 {
					return nil // as it should
				}
				return err
			}
		},
	},
	writeTrial("write", "FD.WriteContext, of more than a FIFO holds", fifo),
	writeTrial("pwritev2", "FD.WriteContext, of more than a pipe holds", pipe),
	writeTrial("sendto", "FD.WriteContext, of more than a socket holds", streamSockets),
	{
		// The filter answers the call, so the kernel has not closed the number that the
		// error is about. The check closes it.
		by: "internal/sys", call: "close", op: "FD.Close", endless: true, swallowed: "closed",
		prepare: func(s *setup) func() error {
			r, _ := pipe(s, 0)
			number := r.Fd()
			s.on(number)
			s.check(func(err error) error {
				_ = unix.Close(number)
				return errors.Join(r.Close(), gives(-1)(r.Fd(), nil))
			})
			return r.Close
		},
		also: errorClosed,
	},
	{
		by: "internal/sys/bare", call: "close", op: "EventFD.Close", endless: true, swallowed: "closed",
		prepare: func(s *setup) func() error {
			e := counter(s, 0)
			number := e.Fd()
			s.on(number)
			s.check(func(err error) error {
				_ = unix.Close(number)
				return errors.Join(e.Close(), gives(-1)(e.Fd(), nil))
			})
			return e.Close
		},
		also: errorClosed,
	},
	{
		by: "internal/sys", call: "preadv2", op: "EventFD.WaitContext, after Dup",
		made: func() bool { return !raceEnabled }, // see unwaiting in package sys
		prepare: func(s *setup) func() error {
			e := counter(s, 5)
			d, err := e.Dup()
			closes(s, d, err)
			ctx := soon(s)
			s.after(func() error { return gives[uint64](5)(e.Wait()) })
			return func() error { return gives[uint64](5)(e.WaitContext(ctx)) }
		},
	},
	readTrial("preadv2", "FD.ReadContext, in blocking mode", pipe, 0),
	readTrial("recvfrom", "FD.ReadContext, of a socket", streamSockets, 0),
	readTrial("read", "FD.ReadContext, of a FIFO", fifo, unix.O_NONBLOCK),
	readTrial("fcntl F_GETFL", "FD.ReadContext, of a FIFO", fifo, unix.O_NONBLOCK),
	{
		by: "internal/sys", call: "ppoll", op: "FD.ReadContext, of a FIFO in blocking mode",
		prepare: func(s *setup) func() error {
			op := readsInTime(s, fifo, 0)
			s.on(-1) // the first argument is a pointer
			return op
		},
	},
	{
		by: "internal/sys", call: "ppoll", op: "FD.ReadContext, parked",
		prepare: func(s *setup) func() error {
			r, w := pipe(s, unix.O_NONBLOCK)
			s.check(func(err error) error {
				put(s, w, "text")
				return reads(r.Read, "text")()
			})
			return waits(s, r)
		},
	},
	readTrial("statx", "FD.ReadContext, the first", pipe, unix.O_NONBLOCK),
	{
		// The library makes fstat(2) only if statx(2) fails: the trial refuses both.
		by: "internal/sys", call: "fstat", op: "FD.ReadContext, the first, without statx",
		prepare: func(s *setup) func() error {
			s.must(second(filterAll(0, systest.Refusal{Call: unix.SYS_STATX, Errno: unix.ENOSYS, Arg: 4, Value: unix.STATX_TYPE})))
			return readsInTime(s, pipe, unix.O_NONBLOCK)
		},
	},
	{
		by: "internal/sys", call: "getsockopt SO_TYPE", op: "FD.WriteContext, the first to a socket",
		prepare: func(s *setup) func() error {
			r, w := socketPair(s, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK)
			ctx := soon(s)
			return func() error {
				_, err := w.WriteContext(ctx, []byte("text"))
				return errors.Join(err, reads(r.Read, "text")())
			}
		},
	},
	{
		by: "internal/sys", call: "getsockopt SO_TYPE", op: "FD.Read, at the end of a stream",
		prepare: func(s *setup) func() error {
			r, w := streamSockets(s, unix.O_NONBLOCK)
			s.must(w.Close())
			return func() error {
				n, err := r.Read(make([]byte, 1))
				return errors.Join(gives(0)(n, nil), gives(io.EOF)(err, nil))
			}
		},
	},
	{
		by: "internal/sys", call: "getsockopt SO_TYPE", op: "FD.Read, of an empty datagram",
		prepare: func(s *setup) func() error {
			r, w := socketPair(s, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK)
			put(s, w, "")
			s.check(func(error) error {
				put(s, w, "text")
				return reads(r.Read, "text")()
			})
			return func() error { return second(r.Read(make([]byte, 1))) }
		},
		also: map[string]func(error, unix.Errno) bool{"`io.EOF`": func(err error, _ unix.Errno) bool { return err == io.EOF }},
	},
	{by: "internal/sys", call: "fcntl F_GETFL", op: "FD.SetNonblock(true)", prepare: setNonblock(true)},
	{by: "internal/sys", call: "fcntl F_SETFL", op: "FD.SetNonblock(true)", prepare: setNonblock(true)},
	{by: "internal/sys", call: "fcntl F_SETFL", op: "FD.SetNonblock(false)", prepare: setNonblock(false)},
	{
		// A background goroutine registers, and no call waits for it.
		by: "internal/sys", call: "membarrier REGISTER_PRIVATE_EXPEDITED", op: "EventFD.Signal, 100 times",
		once: true, made: sys.Registered, swallowed: doesWithout,
		prepare: func(s *setup) func() error {
			e := counter(s, 0)
			signals := func() error {
				for range 100 {
					if err := e.Signal(1); err != nil {
						return err
					}
				}
				return gives[uint64](100)(e.Wait())
			}
			s.check(func(error) error { return errors.Join(signals(), e.Close()) })
			return func() error {
				err := signals()
				return errors.Join(err, gives(false)(sys.Registered(), nil), signals())
			}
		},
	},
	{
		by: "internal/sys", call: "membarrier PRIVATE_EXPEDITED", op: "FD.Close, while another goroutine is the owner",
		made: sys.Registered, swallowed: doesWithout,
		prepare: func(s *setup) func() error {
			s.must(gives(true)(sys.Registered(), nil)) // before, no goroutine becomes the owner
			e := counter(s, 0)
			owns, stop := make(chan struct{}), make(chan struct{})
			s.later(func() { close(stop) })
			go func() {
				for range 100 {
					_ = e.Signal(1)
				}
				close(owns)
				<-stop // until then no other goroutine has its identity
			}()
			<-owns
			s.check(func(error) error { return gives(fd.ErrClosed)(e.Signal(1), nil) })
			return e.Close
		},
	},
}

const doesWithout = "does without"

// errorClosed is the outcome of a close(2) that reports an error.
var errorClosed = map[string]func(error, unix.Errno) bool{"error, closed": func(err error, errno unix.Errno) bool {
	return namesCall(err, "close", errno) || errno == unix.EAGAIN && err == fd.ErrWouldBlock
}}

// An opener makes two connected ends, in blocking mode or with O_NONBLOCK.
type opener func(s *setup, flags int) (r, w *fd.FD)

// readTrial tries a ReadContext that finds data.
func readTrial(call, op string, open opener, flags int) trial {
	return trial{
		by: "internal/sys", call: call, op: op,
		prepare: func(s *setup) func() error { return readsInTime(s, open, flags) },
	}
}

// readsInTime returns a ReadContext that finds data. If it fails, a Read finds the
// same data.
func readsInTime(s *setup, open opener, flags int) func() error {
	r, w := open(s, flags)
	put(s, w, "text")
	s.on(r.Fd())
	ctx := soon(s)
	s.after(func() error { return reads(r.Read, "text")() })
	return reads(func(b []byte) (int, error) { return r.ReadContext(ctx, b) }, "text")
}

// writeTrial tries a WriteContext of more than fits, while another goroutine reads.
func writeTrial(call, op string, open opener) trial {
	return trial{
		by: "internal/sys", call: call, op: op,
		prepare: func(s *setup) func() error {
			r, w := open(s, unix.O_NONBLOCK)
			s.on(w.Fd())
			// Longer than soon: the reader has much to read, on a busy machine too.
			ctx, cancel := context.WithTimeout(context.Background(), patience/4)
			s.later(cancel)
			written := 0
			read := make(chan int, 1)
			go func() {
				total, b := 0, make([]byte, 1<<16)
				for {
					n, err := r.ReadContext(context.Background(), b)
					total += n
					if err != nil {
						break
					}
				}
				read <- total
			}()
			s.check(func(error) error {
				_ = w.Close() // the end of what is read
				return gives(written)(<-read, nil)
			})
			return func() (err error) {
				written, err = w.WriteContext(ctx, make([]byte, 1<<19))
				return err
			}
		},
	}
}

// arrived checks that a pipe holds that many bytes, and that it still works.
func arrived(r *fd.FD, want int) error {
	got, b := 0, make([]byte, 1<<16)
	for {
		n, err := r.Read(b)
		got += n
		if err != nil {
			return errors.Join(gives(want)(got, nil), gives(fd.ErrWouldBlock)(err, nil))
		}
	}
}

// setNonblock changes the mode of a pipe's end.
func setNonblock(nonblock bool) func(s *setup) func() error {
	return func(s *setup) func() error {
		flags := 0
		if !nonblock {
			flags = unix.O_NONBLOCK
		}
		r, w := pipe(s, flags)
		put(s, w, "text")
		s.must(reads(r.Read, "text")())
		s.on(r.Fd())
		s.check(func(err error) error {
			now, failed := r.Nonblock()
			put(s, w, "text")
			return errors.Join(failed, gives(nonblock == (err == nil))(now, nil), reads(r.Read, "text")())
		})
		return func() error { return r.SetNonblock(nonblock) }
	}
}

// namesCall reports whether err names the call and has its errno.
func namesCall(err error, name string, errno unix.Errno) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Syscall == name && call.Err == errno
}
