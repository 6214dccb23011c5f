package poller

import (
	"errors"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The constants and types of <linux/io_uring.h> that golang.org/x/sys/unix lacks.
const (
	opPollAdd    = 6 // IORING_OP_POLL_ADD
	opPollRemove = 7 // IORING_OP_POLL_REMOVE

	pollMultishot = 1 << 0 // IORING_POLL_ADD_MULTI
	moreFollow    = 1 << 1 // IORING_CQE_F_MORE

	enterGetEvents = 1 << 0 // IORING_ENTER_GETEVENTS

	featSingleMmap = 1 << 0 // IORING_FEAT_SINGLE_MMAP, Linux 5.4
	featNoDrop     = 1 << 1 // IORING_FEAT_NODROP, Linux 5.5

	offRings   = 0          // IORING_OFF_SQ_RING
	offEntries = 0x10000000 // IORING_OFF_SQES
)

// A sqe asks for something: struct io_uring_sqe, as far as polls use it.
type sqe struct {
	opcode, _  uint8
	_          uint16
	fd         int32
	_          uint64
	addr       uint64
	pollFlags  uint32
	pollEvents uint16
	_          uint16
	userData   uint64
	_          [3]uint64
}

// A cqe answers: struct io_uring_cqe.
type cqe struct {
	userData uint64
	result   int32
	flags    uint32
}

// struct io_uring_params, with the offsets of its rings.
type ringParams struct {
	sqEntries, cqEntries, flags, _, _, features uint32
	_                                           [4]uint32
	sq                                          struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// The kernel's sizes.
var (
	_ [64]byte  = [unsafe.Sizeof(sqe{})]byte{}
	_ [16]byte  = [unsafe.Sizeof(cqe{})]byte{}
	_ [120]byte = [unsafe.Sizeof(ringParams{})]byte{}
)

// A ring is an io_uring(7): two queues in memory that is the kernel's too, for one
// goroutine here. The kernel takes from sqHead and puts at cqTail, we put at sqTail
// and take from cqHead.
type ring struct {
	number         int
	rings, entries []byte // what is mapped
	sqHead, sqTail *atomic.Uint32
	cqHead, cqTail *atomic.Uint32
	sqes           []sqe
	cqes           []cqe
}

func newRing() (*ring, error) {
	var p ringParams
	number, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 256, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	r := &ring{number: int(number)}
	if err := r.mapQueues(&p); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *ring) mapQueues(p *ringParams) (err error) {
	if p.features&featSingleMmap == 0 || p.features&featNoDrop == 0 {
		return errors.New("io_uring: the kernel is older than Linux 5.5")
	}
	size := max(p.sq.array+p.sqEntries*4, p.cq.cqes+p.cqEntries*uint32(unsafe.Sizeof(cqe{})))
	if r.rings, err = r.mmap(offRings, int(size)); err != nil {
		return err
	}
	if r.entries, err = r.mmap(offEntries, int(p.sqEntries)*int(unsafe.Sizeof(sqe{}))); err != nil {
		return err
	}
	r.sqHead, r.sqTail = at[atomic.Uint32](r.rings, p.sq.head), at[atomic.Uint32](r.rings, p.sq.tail)
	r.cqHead, r.cqTail = at[atomic.Uint32](r.rings, p.cq.head), at[atomic.Uint32](r.rings, p.cq.tail)
	r.sqes = unsafe.Slice(at[sqe](r.entries, 0), p.sqEntries)
	r.cqes = unsafe.Slice(at[cqe](r.rings, p.cq.cqes), p.cqEntries)
	// The queue proper has indexes of entries: ours go round in step with it.
	array := unsafe.Slice(at[uint32](r.rings, p.sq.array), p.sqEntries)
	for i := range array {
		array[i] = uint32(i)
	}
	return nil
}

func (r *ring) mmap(offset int64, size int) ([]byte, error) {
	mem, err := unix.Mmap(r.number, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return mem, os.NewSyscallError("mmap", err)
}

func at[T any](mem []byte, offset uint32) *T { return (*T)(unsafe.Pointer(&mem[offset])) }

// full reports whether there is no room for a request before the next enter.
func (r *ring) full() bool { return r.unsubmitted() == len(r.sqes) }

func (r *ring) unsubmitted() int { return int(r.sqTail.Load() - r.sqHead.Load()) }

// submit puts a request into the queue, which is not full. The kernel sees it at the
// next enter.
func (r *ring) submit(s sqe) {
	tail := r.sqTail.Load()
	r.sqes[tail&uint32(len(r.sqes)-1)] = s
	r.sqTail.Store(tail + 1)
}

// enter submits what is queued and waits until there are so many completions, see
// io_uring_enter(2). It may return early.
func (r *ring) enter(completions int) error {
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.number), uintptr(r.unsubmitted()),
		uintptr(completions), enterGetEvents, 0, 0)
	switch errno {
	case 0, unix.EINTR, unix.EAGAIN, unix.EBUSY: // the last two: completions are to be taken first
		return nil
	}
	return os.NewSyscallError("io_uring_enter", errno)
}

// completion takes the next one, if there is one.
func (r *ring) completion() (c cqe, ok bool) {
	head := r.cqHead.Load()
	if head == r.cqTail.Load() {
		return cqe{}, false
	}
	c = r.cqes[head&uint32(len(r.cqes)-1)]
	r.cqHead.Store(head + 1)
	return c, true
}

func (r *ring) close() error {
	var errs []error
	for _, mem := range [][]byte{r.entries, r.rings} {
		if mem != nil {
			errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(mem)))
		}
	}
	return errors.Join(append(errs, os.NewSyscallError("close", unix.Close(r.number)))...)
}
