package main

import (
	"sync/atomic"
	"unsafe"
)

const (
	headerSize = 4096 // the bytes of the ring follow
	lineSize   = 256  // the largest cache line of any port, s390x's

	minRing = 4 << 10
	maxRing = 1 << 30
)

// A header is the beginning of the memory that both processes have mapped. Each
// word is written by the side that the line is named after, but for the sleeping
// ones, which the other side takes back to 0 when it wakes whoever set them.
//
// Positions count bytes from the beginning modulo 1<<32, of which every size of a
// ring is a divisor. They have 32 bits because that is what every port does
// atomically in memory by itself: for 64 bits, some of those with 32-bit registers
// take a lock, which is each process's own and so keeps the other out of nothing,
// and the others need an alignment that the compiler would not give.
type header struct {
	tail   atomic.Uint32 // the position that the writer writes to
	_      [lineSize - 4]byte
	head   atomic.Uint32 // the position that the reader reads from
	_      [lineSize - 4]byte
	writer side
	reader side
}

// A side changes seldom, so that the other side's look at it costs little.
type side struct {
	sleeping atomic.Uint32 // 0, or how many bytes there must be to wake it for
	closed   atomic.Uint32
	_        [lineSize - 8]byte
}

// The offsets are the protocol.
var (
	_ [0 * lineSize]byte = [unsafe.Offsetof(header{}.tail)]byte{}
	_ [1 * lineSize]byte = [unsafe.Offsetof(header{}.head)]byte{}
	_ [2 * lineSize]byte = [unsafe.Offsetof(header{}.writer)]byte{}
	_ [3 * lineSize]byte = [unsafe.Offsetof(header{}.reader)]byte{}
	_ [4 * lineSize]byte = [unsafe.Sizeof(header{})]byte{}
)

// split returns the two parts of the memory, of at least headerSize bytes.
//
// That the first is looked at as a header is right because it is large enough,
// which the array below checks; aligned, as it is the first byte of a mapping, and
// so of a page; and of words without pointers, in memory that is not Go's: the
// garbage collector neither looks into it nor frees it, so it has to stay mapped
// while the header is in use. Whatever the other process writes there is a value of
// these types.
func split(memory []byte) (*header, []byte) {
	first := (*[headerSize]byte)(memory)
	return (*header)(unsafe.Pointer(first)), memory[headerSize:]
}
