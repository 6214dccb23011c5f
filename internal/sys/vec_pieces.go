//go:build darwin || ((race || msan || asan) && linux)

package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// pieces returns the buffers of n iovecs.
func pieces(vec *unix.Iovec, n int) [][]byte {
	bufs := make([][]byte, n)
	for i, v := range unsafe.Slice(vec, n) {
		bufs[i] = unsafe.Slice(v.Base, int(v.Len))
	}
	return bufs
}
