package systest

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Overflow sets the counter of an eventfd to 2^64-1, one more than write(2) can. The
// completion of an io_submit(2) adds the last one. Then poll(2) reports POLLERR. The
// descriptor number must be in non-blocking mode.
func Overflow(t testing.TB, number int) {
	t.Helper()
	// The struct iocb of linux/aio_abi.h.
	type request struct {
		_              uint64    // aio_data
		_, _           uint32    // aio_key, aio_rw_flags
		_              uint16    // aio_lio_opcode: 0 is IOCB_CMD_PREAD
		_              int16     // aio_reqprio
		file           uint32    // aio_fildes
		buffer, size   uint64    // aio_buf, aio_nbytes
		_              [2]uint64 // aio_offset, aio_reserved2
		flags, eventfd uint32    // aio_flags, aio_resfd
	}
	const signal = 1 // IOCB_FLAG_RESFD
	full := uint64(1<<64 - 2)
	p := (*[8]byte)(unsafe.Pointer(&full))
	_, _ = unix.Read(number, new([8]byte)[:])
	if _, err := unix.Write(number, p[:]); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var queue uintptr
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&queue)), 0); errno != 0 {
		t.Skipf("needs io_setup(2): %v", errno)
	}
	var b [1]byte
	r := &request{
		file: uint32(file.Fd()), buffer: uint64(uintptr(unsafe.Pointer(&b))), size: 1,
		flags: signal, eventfd: uint32(number),
	}
	_, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, queue, 1, uintptr(unsafe.Pointer(&r)))
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, queue, 0, 0) // waits for what was submitted
	if errno != 0 {
		t.Skip("io_submit: ", errno)
	}
	fds := []unix.PollFd{{Fd: int32(number), Events: unix.POLLOUT}}
	_, err = unix.Poll(fds, 0)
	for err == unix.EINTR {
		_, err = unix.Poll(fds, 0)
	}
	if err != nil || fds[0].Revents != unix.POLLERR {
		t.Fatalf("the counter is not at 2^64-1: poll says %#x, %v", fds[0].Revents, err)
	}
}
