package sys

import "golang.org/x/sys/unix"

// callVector is readv(2) or writev(2) with n iovecs.
func callVector(number int, dir direction, vec *unix.Iovec, n int) (r int, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		switch {
		case instrumented:
			r, err = instrumentedVector(number, dir, vec, n)
		case dir == writing:
			r, err = unix.Writev(number, pieces(vec, n))
		default:
			r, err = unix.Readv(number, pieces(vec, n))
		}
	}
	return max(r, 0), err
}
