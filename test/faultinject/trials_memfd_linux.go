package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
)

const content = "what is in the file"

// file returns a memfd with content in it, the offset at the beginning.
func file(s *setup, opts ...memfd.Option) *memfd.MemFD {
	m, err := memfd.New("faults", opts...)
	closes(s, m, err)
	s.must(second(m.WriteAt([]byte(content), 0)))
	return m
}

// onFile tries an operation on a file whose content has to be the same afterwards.
func onFile(call, op string, do func(m *memfd.MemFD) error, opts ...memfd.Option) trial {
	return trial{
		by: "memfd", call: call, op: op,
		prepare: func(s *setup) func() error {
			m := file(s, opts...)
			s.on(m.Fd())
			s.check(func(err error) error {
				b := make([]byte, len(content))
				_, failed := m.ReadAt(b, 0)
				if err != nil {
					failed = errors.Join(failed, do(m))
				}
				return gives(content)(string(b), failed)
			})
			return func() error { return do(m) }
		},
	}
}

func newTrial(call, op string, opts ...memfd.Option) trial {
	return trial{
		by: "memfd", call: call, op: op,
		prepare: func(s *setup) func() error {
			file(s) // so that the library knows the kernel's features
			return func() error { return closing(memfd.New("faults", opts...)) }
		},
	}
}

var memfdTrials = []trial{
	{by: "memfd", call: "memfd_create", op: "memfd.New, the first", once: true, prepare: always(func() error { return closing(memfd.New("faults")) })},
	newTrial("memfd_create", "memfd.New"),
	newTrial("fchmod", "memfd.New, WithoutExecSeal", memfd.WithoutExecSeal),
	{by: "memfd", call: "pwritev2", op: "memfd.NewSealed", prepare: sealed},
	{by: "memfd", call: "fcntl F_ADD_SEALS", op: "memfd.NewSealed", prepare: sealed},
	{by: "memfd", call: "memfd_secret", op: "memfd.NewSecret", prepare: always(func() error { return closing(memfd.NewSecret()) })},
	onFile("pread64", "MemFD.ReadAt", func(m *memfd.MemFD) error {
		b := make([]byte, 4)
		n, err := m.ReadAt(b, 0)
		return gives("what")(string(b[:n]), err)
	}),
	onFile("pwritev2", "MemFD.WriteAt", func(m *memfd.MemFD) error {
		return second(m.WriteAt([]byte("more"), int64(len(content))))
	}),
	onFile("fcntl F_GETFL", "MemFD.WriteAt, sealed", writeSealed, memfd.AllowSealing),
	onFile("pwrite64", "MemFD.WriteAt, sealed", writeSealed, memfd.AllowSealing),
	seekTrial(),
	onFile("fstat", "MemFD.Size", func(m *memfd.MemFD) error { return second(m.Size()) }),
	onFile("ftruncate", "MemFD.Truncate", func(m *memfd.MemFD) error { return m.Truncate(1 << 16) }),
	onFile("fallocate", "MemFD.Allocate", func(m *memfd.MemFD) error { return m.Allocate(0, 1) }),
	onFile("fallocate", "MemFD.PunchHole", func(m *memfd.MemFD) error { return m.PunchHole(1<<13, 1<<12) }),
	onFile("fcntl F_GET_SEALS", "MemFD.Seals", func(m *memfd.MemFD) error { return second(m.Seals()) }),
	onFile("fcntl F_ADD_SEALS", "MemFD.Seal", func(m *memfd.MemFD) error { return m.Seal(memfd.SealShrink) }, memfd.AllowSealing),
	onFile("fstat", "MemFD.Map", mapped(memfd.ReadWrite)),
	{
		by: "memfd", call: "mmap", op: "MemFD.Map",
		match: func(args *[6]uint64) bool { return int32(args[4]) >= 0 }, // of a file
		prepare: func(s *setup) func() error {
			m := file(s)
			return func() error { return mapped(memfd.ReadOnly)(m) }
		},
	},
	{
		by: "memfd", call: "madvise", op: "Mapping.Advise",
		match: func(args *[6]uint64) bool { return args[2] == unix.MADV_WILLNEED },
		prepare: func(s *setup) func() error {
			m := file(s)
			mapping, err := m.Map(0, len(content), memfd.ReadOnly)
			closes(s, mapping, err)
			return func() error { return mapping.Advise(memfd.WillNeed) }
		},
	},
	{
		// A mapping that cannot be unmapped is closed, and its memory stays mapped
		// until the process ends.
		by: "memfd", call: "munmap", op: "Mapping.Close",
		made: func() bool { return !raceEnabled }, // the race detector makes it, too
		prepare: func(s *setup) func() error {
			m := file(s)
			mapping, err := m.Map(0, len(content), memfd.ReadOnly)
			s.must(err)
			return mapping.Close
		},
	},
	onFile("fcntl F_GETFL", "MemFD.Truncate, sealed", truncateSealed, memfd.AllowSealing),
	onFile("fcntl F_GET_SEALS", "MemFD.Truncate, sealed", truncateSealed, memfd.AllowSealing),
	onFile("fstat", "MemFD.Truncate, sealed", truncateSealed, memfd.AllowSealing),
	{by: "memfd", call: "fstatfs", op: "memfd.FromFD", prepare: fromMemfd},
	ofKind("a memfd", trial{
		by: "memfd", call: "fcntl F_GET_SEALS", op: "memfd.FromFD",
		prepare: fromMemfd,
	}),
	{
		by: "internal/sys", call: "read", op: "MemFD.WriteTo",
		prepare: func(s *setup) func() error {
			m := file(s)
			s.on(m.Fd())
			var got bytes.Buffer
			s.check(func(err error) error {
				_, failed := m.WriteTo(&got) // goes on where it stopped
				return gives(content)(got.String(), failed)
			})
			return func() error { return second(m.WriteTo(&got)) }
		},
	},
	{
		by: "internal/sys", call: "write", op: "MemFD.ReadFrom",
		prepare: func(s *setup) func() error {
			m := file(s)
			s.on(m.Fd())
			long := strings.Repeat("long", 1<<15)
			s.check(func(err error) error {
				// The offset tells how many bytes were written.
				at, failed := m.Seek(0, io.SeekCurrent)
				if err == nil && at != int64(len(long)) {
					failed = errors.New("not all was written")
				}
				b := make([]byte, at)
				return errors.Join(failed, second(m.ReadAt(b, 0)), gives(long[:at])(string(b), nil))
			})
			return func() error { return second(m.ReadFrom(strings.NewReader(long))) }
		},
	},
	{
		by: "memfd", call: "sendmsg", op: "MemFD.SendTo",
		prepare: func(s *setup) func() error {
			a, b := sockets(s, unix.SOCK_STREAM)
			m := file(s)
			s.check(func(err error) error {
				if err != nil {
					s.must(a.SetWriteDeadline(time.Time{}))
					err = m.SendTo(a)
				}
				return errors.Join(err, closing(memfd.ReceiveFrom(b, 0)))
			})
			s.must(a.SetWriteDeadline(deadline()))
			return func() error { return m.SendTo(a) }
		},
		also: deadlinePassed,
	},
	{
		by: "memfd", call: "recvmsg", op: "memfd.ReceiveFrom",
		prepare: received(unix.SOCK_STREAM),
		also:    deadlinePassed,
	},
	{
		by: "memfd", call: "getsockopt SO_TYPE", op: "memfd.ReceiveFrom",
		prepare: func(s *setup) func() error {
			a, b := sockets(s, unix.SOCK_DGRAM)
			s.must(second(a.Write(nil)))
			return func() error {
				// A datagram of no bytes is not the end of a stream.
				err := closing(memfd.ReceiveFrom(b, 0))
				if errors.Is(err, unix.EBADMSG) {
					return nil
				}
				s.must(second(a.Write(nil)))
				return err
			}
		},
	},
}

func seekTrial() trial {
	t := onFile("lseek", "MemFD.Seek", func(m *memfd.MemFD) error {
		return gives[int64](5)(m.Seek(5, io.SeekStart))
	})
	t.also = map[string]func(error, unix.Errno) bool{"error, of the argument": func(err error, errno unix.Errno) bool {
		return errno == unix.EINVAL && strings.HasPrefix(err.Error(), "iofd: memfd: Seek: 5 bytes from the start")
	}}
	return t
}

func sealed(s *setup) func() error {
	return func() error { return closing(memfd.NewSealed("faults", []byte(content))) }
}

func mapped(prot memfd.Prot) func(m *memfd.MemFD) error {
	return func(m *memfd.MemFD) error {
		mapping, err := m.Map(0, len(content), prot)
		if err != nil {
			return err
		}
		return errors.Join(gives(content)(string(mapping.Bytes()), nil), mapping.Close())
	}
}

// received receives a file that has been sent.
func received(kind int) func(s *setup) func() error {
	return func(s *setup) func() error {
		a, b := sockets(s, kind)
		m := file(s)
		s.must(m.SendTo(a))
		s.must(b.SetReadDeadline(deadline()))
		s.check(func(err error) error {
			if err == nil {
				return nil
			}
			s.must(b.SetReadDeadline(time.Time{}))
			return closing(memfd.ReceiveFrom(b, 0)) // it is still there
		})
		return func() error { return closing(memfd.ReceiveFrom(b, 0)) }
	}
}

// truncateSealed is refused by a seal. Its error says so, whatever happens to the calls
// that find out the reason.
func truncateSealed(m *memfd.MemFD) error {
	if err := m.Seal(memfd.SealGrow); err != nil {
		return err
	}
	if err := m.Truncate(1 << 16); !errors.Is(err, unix.EPERM) {
		return errors.Join(errors.New("the seal is not obeyed"), err)
	}
	return nil
}

// writeSealed is refused by a seal, or by the call that follows.
func writeSealed(m *memfd.MemFD) error {
	if err := m.Seal(memfd.SealWrite); err != nil {
		return err
	}
	err := second(m.WriteAt([]byte("more"), int64(len(content))))
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return errors.Join(err, errors.New("the seal is not obeyed"))
}

func deadline() time.Time { return time.Now().Add(waiting) }

// deadlinePassed is the end of a wait for a socket.
var deadlinePassed = map[string]func(error, unix.Errno) bool{
	"waits": func(err error, refused unix.Errno) bool {
		return refused == unix.EAGAIN && errors.Is(err, os.ErrDeadlineExceeded)
	},
}
