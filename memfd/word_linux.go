package memfd

import (
	"sync/atomic"
	"unsafe"
)

// Uint32 returns the four bytes at off of the mapped memory as a word that goroutines and
// processes use at the same time. The word has the byte order of the machine. [CopyOnWrite]
// words belong to this process.
//
// Uint32 returns nil if off is not a multiple of 4, if the word is not within the n bytes
// of [MemFD.Map], or if m is closed. Compare with nil if off comes from another process.
//
// The pointer is valid until Close, as the slice of [Mapping.Bytes] is: an access after
// Close is a fault that ends the program, or reaches memory that was mapped there since.
// A write to a [ReadOnly] mapping is a fault too. Only loads are valid there.
//
// For the race detector, the operations on the word do not order accesses to other memory.
func (m *Mapping) Uint32(off int) *atomic.Uint32 {
	return (*atomic.Uint32)(m.word(off, unsafe.Sizeof(atomic.Uint32{})))
}

// Uint64 is like [Mapping.Uint32] for the eight bytes at off, which is a multiple of 8.
//
// For 64 bits, Go uses a lock of the process if GOARCH is mips or mipsle, and on arm if
// GOARM is below 7. Such a word is not atomic between processes. Use Uint32 there.
func (m *Mapping) Uint64(off int) *atomic.Uint64 {
	return (*atomic.Uint64)(m.word(off, unsafe.Sizeof(atomic.Uint64{})))
}

// word returns the address of size bytes at off, or nil. The memory begins at a page, so a
// multiple of size is aligned.
func (m *Mapping) word(off int, size uintptr) unsafe.Pointer {
	memory := m.Bytes()
	if off < 0 || off%int(size) != 0 || off > len(memory)-int(size) {
		return nil
	}
	return unsafe.Pointer(&memory[off])
}
