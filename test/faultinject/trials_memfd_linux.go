package main

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
)

const content = "what is in the file"

// file returns a memfd with content in it, the offset at the beginning.
func file(a *attempt) *memfd.MemFD { return fileWith(a) }

func fileWith(a *attempt, opts ...memfd.Option) *memfd.MemFD {
	m, err := memfd.New("faults", opts...)
	closes(a, m, err)
	a.must(second(m.WriteAt([]byte(content), 0)))
	return m
}

func mapping(a *attempt) *memfd.Mapping {
	m, err := file(a).Map(0, len(content), memfd.ReadOnly)
	return closes(a, m, err)
}

// onFile tries an operation on a file whose content has to be the same afterwards.
func onFile(do func(m *memfd.MemFD) error, opts ...memfd.Option) func(*attempt) {
	return func(a *attempt) {
		m := fileWith(a, opts...)
		err := a.refuse(m.Fd(), func() error { return do(m) })
		b := make([]byte, len(content))
		_, failed := m.ReadAt(b, 0)
		if err != nil {
			a.must(do(m))
		}
		a.must(gives(content)(string(b), failed))
	}
}

func newTrial(call, op string, opts ...memfd.Option) trial {
	return trial{by: "memfd", call: call, op: op, run: func(a *attempt) {
		file(a) // so that the library knows the kernel's features
		a.repeat(every, func() error { return closing(memfd.New("faults", opts...)) })
	}}
}

var memfdTrials = slices.Concat(
	[]trial{
		{by: "memfd", call: "memfd_create", op: "memfd.New, the first", once: true, run: repeats(func() error { return closing(memfd.New("faults")) })},
		newTrial("memfd_create", "memfd.New"),
		newTrial("fchmod", "memfd.New, WithoutExecSeal", memfd.WithoutExecSeal),
	},
	each("memfd", "memfd.NewSealed", repeats(func() error { return closing(memfd.NewSealed("faults", []byte(content))) }),
		"pwritev2", "fcntl F_ADD_SEALS"),
	[]trial{
		{by: "memfd", call: "memfd_secret", op: "memfd.NewSecret", run: repeats(func() error { return closing(memfd.NewSecret()) })},
		{by: "memfd", call: "pread64", op: "MemFD.ReadAt", run: onFile(func(m *memfd.MemFD) error {
			b := make([]byte, 4)
			n, err := m.ReadAt(b, 0)
			return gives("what")(string(b[:n]), err)
		})},
		{by: "memfd", call: "pwritev2", op: "MemFD.WriteAt", run: onFile(appends)},
	},
	each("memfd", "MemFD.WriteAt, sealed", onFile(writeSealed, memfd.AllowSealing), "fcntl F_GETFL", "pwrite64"),
	[]trial{
		{by: "memfd", call: "lseek", op: "MemFD.Seek", run: seek},
		{by: "memfd", call: "fstat", op: "MemFD.Size", run: onFile(func(m *memfd.MemFD) error { return second(m.Size()) })},
		{by: "memfd", call: "ftruncate", op: "MemFD.Truncate", run: onFile(func(m *memfd.MemFD) error { return m.Truncate(1 << 16) })},
		{by: "memfd", call: "fallocate", op: "MemFD.Allocate", run: onFile(func(m *memfd.MemFD) error { return m.Allocate(0, 1) })},
		{by: "memfd", call: "fallocate", op: "MemFD.PunchHole", run: onFile(func(m *memfd.MemFD) error { return m.PunchHole(1<<13, 1<<12) })},
		{by: "memfd", call: "fcntl F_GET_SEALS", op: "MemFD.Seals", run: onFile(func(m *memfd.MemFD) error { return second(m.Seals()) })},
		{by: "memfd", call: "fcntl F_ADD_SEALS", op: "MemFD.Seal",
			run: onFile(func(m *memfd.MemFD) error { return m.Seal(memfd.SealShrink) }, memfd.AllowSealing)},
		{by: "memfd", call: "fstat", op: "MemFD.Map", run: onFile(mapped(memfd.ReadWrite))},
		{
			by: "memfd", call: "mmap", op: "MemFD.Map",
			match: func(args *[6]uint64) bool { return int32(args[4]) >= 0 }, // of a file
			run:   on(file, mapped(memfd.ReadOnly)),
		},
		{
			by: "memfd", call: "madvise", op: "Mapping.Advise",
			match: func(args *[6]uint64) bool { return args[2] == unix.MADV_WILLNEED },
			run:   on(mapping, func(m *memfd.Mapping) error { return m.Advise(memfd.WillNeed) }),
		},
		{
			// A mapping that cannot be unmapped is closed, and its memory stays mapped
			// until the process ends.
			by: "memfd", call: "munmap", op: "Mapping.Close",
			made: withoutRace, // the race detector makes it, too
			run:  on(mapping, (*memfd.Mapping).Close),
		},
	},
	each("memfd", "MemFD.Truncate, sealed", onFile(truncateSealed, memfd.AllowSealing), "fcntl F_GETFL", "fcntl F_GET_SEALS", "fstat"),
	each("memfd", "memfd.FromFD", fromMemfd, "fstatfs", tellsMemfd),
	[]trial{
		{by: "internal/sys", call: "read", op: "MemFD.WriteTo", run: func(a *attempt) {
			m := file(a)
			var got bytes.Buffer
			_ = a.refuse(m.Fd(), func() error { return second(m.WriteTo(&got)) })
			_, err := m.WriteTo(&got) // goes on where it stopped
			a.must(gives(content)(got.String(), err))
		}},
		{by: "internal/sys", call: "write", op: "MemFD.ReadFrom", run: func(a *attempt) {
			m := file(a)
			long := strings.Repeat("long", 1<<15)
			failed := a.refuse(m.Fd(), func() error { return second(m.ReadFrom(strings.NewReader(long))) })
			// The offset tells how many bytes were written.
			at, err := m.Seek(0, io.SeekCurrent)
			a.must(err)
			if failed == nil {
				a.must(gives(len(long))(int(at), nil))
			}
			b := make([]byte, at)
			_, err = m.ReadAt(b, 0)
			a.must(gives(long[:at])(string(b), err))
		}},
		{by: "memfd", call: "sendmsg", op: "MemFD.SendTo", run: func(a *attempt) {
			x, y := sockets(a, unix.SOCK_STREAM)
			m := file(a)
			a.must(x.SetWriteDeadline(time.Now().Add(waiting)))
			if a.refuse(every, func() error { return m.SendTo(x) }) != nil {
				a.must(x.SetWriteDeadline(time.Time{}), m.SendTo(x))
			}
			a.must(closing(memfd.ReceiveFrom(y, 0)))
		}},
		{by: "memfd", call: "recvmsg", op: "memfd.ReceiveFrom", run: func(a *attempt) {
			x, y := sockets(a, unix.SOCK_STREAM)
			a.must(file(a).SendTo(x), y.SetReadDeadline(time.Now().Add(waiting)))
			receive := func() error { return closing(memfd.ReceiveFrom(y, 0)) }
			if a.refuse(every, receive) != nil {
				a.must(y.SetReadDeadline(time.Time{}), receive()) // it is still there
			}
		}},
		{by: "memfd", call: "getsockopt SO_TYPE", op: "memfd.ReceiveFrom", run: func(a *attempt) {
			x, y := sockets(a, unix.SOCK_DGRAM)
			a.repeat(every, func() error {
				if _, err := x.Write(nil); err != nil {
					return err
				}
				// A datagram of no bytes is not the end of a stream.
				err := closing(memfd.ReceiveFrom(y, 0))
				if errors.Is(err, unix.EBADMSG) {
					return nil
				}
				return err
			})
		}},
	},
)

func seek(a *attempt) {
	onFile(func(m *memfd.MemFD) error {
		at, err := m.Seek(5, io.SeekStart)
		if a.errno == unix.EINVAL && err != nil && strings.HasPrefix(err.Error(), "iofd: memfd: Seek: 5 bytes from the start") {
			return outcome("error, of the argument")
		}
		return gives[int64](5)(at, err)
	})(a)
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

// truncateSealed is refused by a seal. Its error says so, whatever happens to the calls
// that find out the reason.
func truncateSealed(m *memfd.MemFD) error {
	if err := m.Seal(memfd.SealGrow); err != nil {
		return err
	}
	return sealed(m.Truncate(1 << 16))
}

// writeSealed is refused by a seal, or by the call that follows.
func writeSealed(m *memfd.MemFD) error {
	if err := m.Seal(memfd.SealWrite); err != nil {
		return err
	}
	return sealed(appends(m))
}

func appends(m *memfd.MemFD) error { return second(m.WriteAt([]byte("more"), int64(len(content)))) }

// sealed returns nil for the error of an operation that a seal forbids.
func sealed(err error) error {
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return errors.Join(errors.New("the seal is not obeyed"), err)
}
