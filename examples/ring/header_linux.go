package main

import (
	"sync/atomic"

	"code.hybscloud.com/iofd/memfd"
)

const (
	headerSize = 4096 // the bytes of the ring follow
	lineSize   = 256  // the largest cache line of any port, s390x's

	minRing = 4 << 10
	maxRing = 1 << 30
)

// The offsets of the words are the protocol. Each position has a line of its own. The
// sides have one line each, with two words.
const (
	tailAt   = 0 * lineSize
	headAt   = 1 * lineSize
	writerAt = 2 * lineSize
	readerAt = 3 * lineSize

	sleepingAt = 0
	closedAt   = 4
)

// A header has the words at the beginning of the shared memory. The side that a line is
// named after writes its words. The other side resets sleeping when it wakes that side.
//
// Positions count bytes from the beginning modulo 1<<32, which every size of a ring
// divides. They have 32 bits because some ports with 32-bit registers use a lock of the
// process for 64 bits, which does not exclude the other process.
type header struct {
	tail   *atomic.Uint32 // the position that the writer writes to
	head   *atomic.Uint32 // the position that the reader reads from
	writer side
	reader side
}

// A side changes seldom, so that the other side reads it from its cache.
type side struct {
	sleeping *atomic.Uint32 // 0, or how many bytes there must be to wake it for
	closed   *atomic.Uint32
}

// split returns the two parts of the memory, of at least headerSize bytes. The words are
// valid until the mapping is closed.
func split(m *memfd.Mapping) (header, []byte) {
	side := func(at int) side { return side{m.Uint32(at + sleepingAt), m.Uint32(at + closedAt)} }
	return header{m.Uint32(tailAt), m.Uint32(headAt), side(writerAt), side(readerAt)}, m.Bytes()[headerSize:]
}
