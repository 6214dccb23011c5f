//go:build darwin || freebsd

package sys

import "golang.org/x/sys/unix"

// fastCalls is false because libSystem is the only stable interface of Darwin, and
// libc that of FreeBSD. Every call goes through golang.org/x/sys/unix, which tells
// the scheduler.
const fastCalls = false

// pollName is the call that unix.Poll makes.
const pollName = "poll"

// Read makes one read(2) of at most 1 GiB. It returns ErrWouldBlock for EAGAIN, and
// io.EOF at end of file. A read of no bytes makes no call.
func (d *Descriptor) Read(p []byte) (int, error) {
	if len(p) > 0 {
		return d.transfer(reading, p, 0)
	}
	if d.Number() < 0 {
		return 0, ErrClosed
	}
	return 0, nil
}

// Write writes p, in pieces of at most 1 GiB. A count below len(p) comes with an
// error: ErrWouldBlock for EAGAIN.
func (d *Descriptor) Write(p []byte) (int, error) {
	life := d.Life()
	n, err := d.transfer(writing, p, 0)
	if err != nil || n == len(p) {
		return n, err
	}
	return d.writeRest(p, n, life)
}

const (
	preadName  = "pread"
	pwriteName = "pwrite"
)

// Pwrite is pwrite(2). If O_APPEND is set, the error matches errors.ErrUnsupported.
func Pwrite(number int, p []byte, off int64) (int, error) {
	n, err := pwriteInMode(number, p, off)
	if err == errAppends {
		err = unix.ENOTSUP
	}
	return n, err
}

// packetPipe is zero because no pipe keeps the boundaries of writes here.
const packetPipe = 0

// Readv makes one readv(2) of at most 1 GiB into 1024 buffers. It returns what Read
// returns.
func (d *Descriptor) Readv(bufs [][]byte) (int, error) { return d.wholeVector(reading, bufs) }

// Writev writes all of bufs, in calls of at most 1 GiB and 1024 buffers. A count below
// their total comes with an error, as for Write.
func (d *Descriptor) Writev(bufs [][]byte) (int, error) { return d.wholeVector(writing, bufs) }

func (d *Descriptor) wholeVector(dir direction, bufs [][]byte) (int, error) {
	life := d.Life()
	size, err := d.sizeOf(dir, bufs)
	if err != nil {
		return 0, err
	}
	return d.vector(dir, bufs, size, 0, life)
}

// TryRead is Read that returns ErrWouldBlock instead of waiting, also if the
// descriptor is in blocking mode. It belongs to a life.
func (d *Descriptor) TryRead(p []byte, life uint64) (int, error) { return d.try(reading, p, life) }

// TryWrite is Write that returns ErrWouldBlock instead of waiting, also if the
// descriptor is in blocking mode. It belongs to a life.
func (d *Descriptor) TryWrite(p []byte, life uint64) (int, error) { return d.try(writing, p, life) }

func closeNumber(number int, _ bool) error { return unix.Close(number) }

// unwaiting calls read(2) or write(2) in a form that does not block. Only
// sockets have one here.
func (d *Descriptor) unwaiting(number int, k kind, dir direction, p []byte) (n int, err error, ok bool) {
	if k != kindSocket {
		return 0, nil, false
	}
	for {
		if dir == writing {
			n, err = unix.SendmsgN(number, p, nil, nil, unix.MSG_DONTWAIT)
		} else {
			n, _, err = unix.Recvfrom(number, p, unix.MSG_DONTWAIT)
		}
		if err != unix.EINTR {
			return max(n, 0), err, true
		}
	}
}

func kindOf(number int) kind {
	var st unix.Stat_t
	if unix.Fstat(number, &st) != nil {
		return kindOther
	}
	return kindOfMode(uint32(st.Mode))
}
