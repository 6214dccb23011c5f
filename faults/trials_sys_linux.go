package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// What package sys calls for all handles.
var sysTrials = []trial{
	{
		by: "internal/sys", call: "read", op: "EventFD.Wait", number: unix.SYS_READ,
		prepare: func(s *scene) func() error {
			e := counter(s, 5)
			s.on(e.Fd())
			return func() error { return gives[uint64](5)(e.Wait()) }
		},
	},
	{
		by: "internal/sys", call: "read", op: "EventFD.WaitContext", number: unix.SYS_READ,
		prepare: func(s *scene) func() error {
			e := counter(s, 5)
			s.on(e.Fd())
			ctx := soon(s)
			s.check(func(err error) error {
				if err == nil {
					return nil
				}
				return gives[uint64](5)(e.Wait())
			})
			return func() error { return gives[uint64](5)(e.WaitContext(ctx)) }
		},
	},
	{
		by: "internal/sys", call: "read", op: "FD.Read, in blocking mode", number: unix.SYS_READ,
		prepare: func(s *scene) func() error {
			r, w := pipe(s, 0)
			put(s, w, "text")
			s.on(r.Fd())
			return reads(r.Read, "text")
		},
	},
	{
		by: "internal/sys", call: "read", op: "FD.ReadContext, in blocking mode", number: unix.SYS_READ,
		prepare: func(s *scene) func() error {
			r, w := pipe(s, 0)
			put(s, w, "text")
			s.on(r.Fd())
			ctx := soon(s)
			s.check(func(err error) error {
				if err == nil {
					return nil
				}
				return reads(r.Read, "text")()
			})
			return reads(func(b []byte) (int, error) { return r.ReadContext(ctx, b) }, "text")
		},
	},
	{
		by: "internal/sys", call: "write", op: "EventFD.Signal", number: unix.SYS_WRITE,
		prepare: func(s *scene) func() error {
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
		by: "internal/sys", call: "write", op: "FD.Write, of more than fits", number: unix.SYS_WRITE,
		prepare: func(s *scene) func() error {
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
	{
		by: "internal/sys", call: "write", op: "FD.WriteContext, of more than fits", number: unix.SYS_WRITE,
		prepare: func(s *scene) func() error {
			r, w := pipe(s, unix.O_NONBLOCK)
			s.on(w.Fd())
			const size = 1 << 17
			ctx := soon(s)
			written := 0
			got := make(chan error, 1)
			s.check(func(err error) error {
				_ = w.Close() // the end of what is read
				return <-got
			})
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
			return func() (err error) {
				written, err = w.WriteContext(ctx, make([]byte, size))
				go func() {
					if total := <-read; total != written {
						got <- fmt.Errorf("%d bytes written, %d read", written, total)
						return
					}
					got <- nil
				}()
				return err
			}
		},
	},
	{
		// The filter answers, and so the kernel has not closed what it says it
		// could not: the check does.
		by: "internal/sys", call: "close", op: "FD.Close", number: unix.SYS_CLOSE, endless: true, swallowed: "closed",
		prepare: func(s *scene) func() error {
			r, _ := pipe(s, 0)
			number := r.Fd()
			s.on(number)
			s.check(func(err error) error {
				_ = unix.Close(number)
				return errors.Join(r.Close(), gives(-1)(r.Fd(), nil))
			})
			return r.Close
		},
		also: map[string]func(error, unix.Errno) bool{"error, closed": func(err error, errno unix.Errno) bool {
			return namesCall(err, "close", errno) || errno == unix.EAGAIN && err == fd.ErrWouldBlock
		}},
	},
	{
		by: "internal/sys", call: "preadv2", op: "EventFD.WaitContext, after Dup", number: unix.SYS_PREADV2,
		made: func() bool { return !raceEnabled }, // see Guard.ReadUint64Nowait
		prepare: func(s *scene) func() error {
			e := counter(s, 5)
			d, err := e.Dup()
			closes(s, d, err)
			ctx := soon(s)
			s.check(func(err error) error {
				if err == nil {
					return nil
				}
				return gives[uint64](5)(e.Wait())
			})
			return func() error { return gives[uint64](5)(e.WaitContext(ctx)) }
		},
	},
	{
		by: "internal/sys", call: "ppoll", op: "FD.ReadContext, in blocking mode", number: unix.SYS_PPOLL,
		prepare: func(s *scene) func() error {
			r, w := pipe(s, 0)
			s.check(func(err error) error {
				put(s, w, "text")
				return reads(r.Read, "text")()
			})
			return waits(s, r)
		},
	},
	{
		by: "internal/sys", call: "fcntl F_GETFL", op: "FD.Read, the first", number: systest.Fcntl, match: command(unix.F_GETFL),
		prepare: firstRead,
	},
	{
		by: "internal/sys", call: "fcntl F_GETFD", op: "FD.Read, the first", number: systest.Fcntl, match: command(unix.F_GETFD),
		prepare: firstRead,
	},
	{
		by: "internal/sys", call: "fstat", op: "FD.Read, the first", number: unix.SYS_FSTAT,
		prepare: firstRead,
	},
	{
		by: "internal/sys", call: "fcntl F_GETFL", op: "FD.SetNonblock(true)", number: systest.Fcntl, match: command(unix.F_GETFL),
		prepare: setNonblock(true),
	},
	{
		by: "internal/sys", call: "fcntl F_SETFL", op: "FD.SetNonblock(true)", number: systest.Fcntl, match: command(unix.F_SETFL),
		prepare: setNonblock(true),
	},
	{
		by: "internal/sys", call: "fcntl F_SETFL", op: "FD.SetNonblock(false)", number: systest.Fcntl, match: command(unix.F_SETFL),
		prepare: setNonblock(false),
	},
	{
		by: "internal/sys", call: "membarrier REGISTER_PRIVATE_EXPEDITED", op: "EventFD.Signal, the 33rd", number: unix.SYS_MEMBARRIER, once: true, made: sys.Registered,
		match: first(1 << 4),
		prepare: func(s *scene) func() error {
			e := counter(s, 0)
			return func() error {
				for range 100 {
					if err := e.Signal(1); err != nil {
						return err
					}
				}
				return gives[uint64](100)(e.Wait())
			}
		},
	},
	{
		by: "internal/sys", call: "membarrier PRIVATE_EXPEDITED", op: "FD.Close, while another goroutine is the owner", number: unix.SYS_MEMBARRIER, made: sys.Registered,
		match: first(1 << 3),
		prepare: func(s *scene) func() error {
			e := counter(s, 0)
			owns, stop := make(chan struct{}), make(chan struct{})
			s.later(func() { close(stop) })
			go func() {
				for range 100 {
					_ = e.Signal(1)
				}
				close(owns)
				<-stop // another goroutine might be it otherwise, in name
			}()
			<-owns
			s.check(func(error) error { return gives(fd.ErrClosed)(e.Signal(1), nil) })
			return e.Close
		},
	},
}

// arrived checks that a pipe holds so many bytes, and that it is of use.
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

// firstRead reads from a pipe of which nothing is known yet.
func firstRead(s *scene) func() error {
	r, w := pipe(s, unix.O_NONBLOCK)
	put(s, w, "text")
	s.on(r.Fd())
	s.check(func(error) error { return gives(fd.ErrWouldBlock)(second(r.Read(make([]byte, 1))), nil) })
	return reads(r.Read, "text")
}

// setNonblock changes the mode of a pipe's end.
func setNonblock(nonblock bool) func(s *scene) func() error {
	return func(s *scene) func() error {
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
