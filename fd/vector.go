//go:build linux || darwin || freebsd

package fd

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

var (
	_ io.ReaderAt = (*FD)(nil)
	_ io.WriterAt = (*FD)(nil)
)

// Readv reads into the buffers in order, see readv(2). It fills each before the next one,
// and returns how many bytes it read. It is [FD.Read] otherwise: one system call, with
// [ErrWouldBlock], [io.EOF], and 0, nil for an empty datagram. If all buffers are empty,
// it returns 0, nil without a system call.
//
// One call reads at most 1 GiB into 1,024 buffers that are not empty. If bufs are more,
// files and stream sockets are read that far. On any other descriptor Readv fails with
// EINVAL, because it might cut a record. The read end of a pipe does not show whether the
// pipe is in packet mode.
//
// Readv does not allocate, and does not change bufs.
func (f *FD) Readv(bufs [][]byte) (int, error) { return f.d.Readv(bufs) }

// Writev writes the buffers in order, see writev(2). A count below their total always
// comes with an error, as for [FD.Write]. If all buffers are empty, it is a Write of no
// bytes.
//
// One system call writes at most 1 GiB from 1,024 buffers that are not empty. If bufs are
// more, Writev makes several calls for files, stream sockets and pipes, except for those in
// packet mode. On any other descriptor it fails with EINVAL, because it would divide a
// record. Nothing is written then. Buffers of more bytes than an int holds fail with EINVAL.
//
// Writev does not allocate, and does not change bufs.
func (f *FD) Writev(bufs [][]byte) (int, error) { return f.d.Writev(bufs) }

// ReadAt reads len(p) bytes at offset off, see pread(2). It does not move the file offset.
// A count below len(p) always comes with an error: [io.EOF] at end of file. A read of no
// bytes makes no system call. A negative off fails with EINVAL, and a descriptor that has
// no offsets, as a pipe or a socket, with ESPIPE. ReadAt tells the scheduler in every
// mode, because a file may block.
func (f *FD) ReadAt(p []byte, off int64) (int, error) { return f.d.ReadAt(p, off) }

// WriteAt writes p at offset off, see pwrite(2). It does not move the file offset. A count
// below len(p) always comes with an error. A write of no bytes makes no system call.
// Arguments and descriptors are refused as by [FD.ReadAt], and so is an off from which p
// ends past the largest offset.
//
// WriteAt never writes at the end of the file instead, as pwrite(2) does if O_APPEND is
// set. It uses RWF_NOAPPEND, which requires Linux 6.9. On older kernels, Darwin and FreeBSD
// it fails if O_APPEND is set. The error matches [errors.ErrUnsupported]. A process that
// shares the descriptor may set the flag between the check and the write.
func (f *FD) WriteAt(p []byte, off int64) (int, error) { return f.d.WriteAt(p, off) }

// Shutdown ends one or both directions of a connected socket, see shutdown(2). It does so
// for all processes that share the socket. If how is unix.SHUT_WR, the peer reads an end
// of file after the data. If how is unix.SHUT_RD, f does. unix.SHUT_RDWR is both.
// Goroutines that wait for f see the change. The descriptor stays open.
//
// Any other how fails with EINVAL. A descriptor that is not a socket fails with ENOTSOCK,
// and a TCP socket that is not connected with ENOTCONN.
func (f *FD) Shutdown(how int) error {
	number, err := f.d.Incref()
	if err != nil {
		return err
	}
	defer f.d.Decref()
	if how != unix.SHUT_RD && how != unix.SHUT_WR && how != unix.SHUT_RDWR {
		return sys.Invalid("fd: Shutdown: how %d is not SHUT_RD (%d), SHUT_WR (%d) or SHUT_RDWR (%d)",
			how, unix.SHUT_RD, unix.SHUT_WR, unix.SHUT_RDWR)
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(number, how))
}
