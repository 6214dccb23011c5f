package signalfd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/capture"
)

// A forwarder makes captured signals readable from a pipe. Its goroutine run takes them
// from the ring of the capture and writes records. If the pipe is full, run puts the
// records into a queue. The goroutine flush writes the queue, and ends when the
// queue is empty. The methods of a SignalFD also take signals from the ring directly.
//
// A write may block although the pipe is in non-blocking mode: another process that
// has the read end can hold the lock of the pipe. So no lock is held during a write.
//
// The rules, all under mu:
//
//   - Order. A method takes a signal from the ring only if no earlier one can be in
//     the pipe, in the queue, or on its way there. That is, if put equals emptied.
//   - Emptied. A reader loads settled, and then reads the pipe until nothing is left.
//     Then every record that had settled is out, and emptied may become that number. The
//     reader may be a program that reads the number itself. The next read of a
//     SignalFD then finds the pipe empty.
//   - Wake. There are two eventfds: idle for run, and direct for the goroutines that
//     wait in a method of a SignalFD. The next signal wakes such a waiter if there is one,
//     and otherwise run. A waiter that may not take from the ring yet is woken when a
//     record settles.
//   - Leave. A waiter that leaves calls arm. If the ring is not empty then, arm wakes
//     the next goroutine. So the descriptor becomes readable for poll(2).
//   - The numbers of idle and direct stay open until the capture has ended, because a
//     handler may be about to write to one of them.
type forwarder struct {
	capture *capture.Capture
	pipe    fd.FD         // write end
	readers atomic.Int32  // the SignalFDs on the read end
	ended   chan struct{} // closed when the forwarder has ended
	idle    *os.File      // an eventfd, on which run waits
	idleNum int           // its number

	masking sync.Mutex // held while the mask changes
	stop    func()     // of unblock

	mu        sync.Mutex // guards these
	queue     []record
	flushing  bool
	flushes   sync.WaitGroup
	unwritten atomic.Uint64 // signals that the queue had no room for, or that were in it at the end
	put       uint64        // records that run has taken for the pipe
	settled   uint64        // of these, records that are written or dropped
	emptied   uint64        // of these, records that were read, or dropped
	waiting   int           // goroutines that are parked on a duplicate of direct
	direct    int           // an eventfd, made by the first wait; -1 if there is none
	over      bool          // the ring and the eventfds are gone
}

// maxQueue is the length of the queue: 16 MiB. Tests change it.
var maxQueue = 1 << 17

// startForwarder captures set. The signals of blocked are blocked in every thread. It
// returns the read end of the pipe.
func startForwarder(set, blocked Set) (*forwarder, int, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, -1, os.NewSyscallError("pipe2", err)
	}
	f := &forwarder{ended: make(chan struct{}), direct: -1}
	err := f.openIdle()
	if err == nil {
		if f.capture, err = capture.New(uint64(set)); err != nil {
			_ = f.idle.Close()
		}
	}
	if err != nil {
		_ = unix.Close(ends[0])
		_ = unix.Close(ends[1])
		return nil, -1, err
	}
	f.stop = unblock(blocked & set)
	f.pipe.Internal().Init(ends[1], sys.Entersyscall)
	f.readers.Store(1)
	go f.run()
	return f, ends[0], nil
}

// openIdle makes the eventfd of run. The runtime's poller watches it, so run waits
// without a thread.
func (f *forwarder) openIdle() (err error) {
	if f.idleNum, err = newEventfd(); err != nil {
		return err
	}
	f.idle = os.NewFile(uintptr(f.idleNum), "signalfd forwarder")
	if err := f.idle.SetDeadline(time.Time{}); err != nil {
		_ = f.idle.Close()
		return fmt.Errorf("iofd: signalfd: cannot register descriptor %d with the runtime's poller: %w", f.idleNum, err)
	}
	return nil
}

func newEventfd() (int, error) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, os.NewSyscallError("eventfd2", err)
	}
	return number, nil
}

func (f *forwarder) mask() Set { return Set(f.capture.Set()) }

func (f *forwarder) setMask(_ *fd.FD, set Set) error {
	if err := refuseReserved(set); err != nil {
		return err
	}
	f.masking.Lock()
	defer f.masking.Unlock()
	f.stop() // a signal that is not captured any more stays pending
	defer func() { f.stop = unblock(blockedEverywhere() & f.mask()) }()
	return f.capture.Change(uint64(set))
}

// end ends the capture. A signal that was blocked before stays pending.
func (f *forwarder) end() {
	f.masking.Lock()
	defer f.masking.Unlock()
	f.stop()
	f.stop = func() {}
	f.capture.End()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		capture.Wake(f.idleNum)
	}
}

func (f *forwarder) dropped() uint64 { return f.capture.Dropped() + f.unwritten.Load() }

func (f *forwarder) replaced() Set { return Set(f.capture.Replaced()) }

func (f *forwarder) join() bool {
	for {
		n := f.readers.Load()
		if n == 0 {
			return false
		}
		if f.readers.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends the capture with the last SignalFD. It waits until the signals that
// were captured are in the pipe, or counted. If the read end may be shared, a write
// may block, and leave waits for 10 ms at most.
func (f *forwarder) leave(shared bool) {
	if f.readers.Add(-1) != 0 {
		return
	}
	f.end()
	if !shared {
		<-f.ended
		return
	}
	limit := time.NewTimer(10 * time.Millisecond)
	defer limit.Stop()
	select {
	case <-f.ended:
	case <-limit.C:
	}
}

func (f *forwarder) run() {
	var batch records
	idle, _ := f.idle.SyscallConn() // it is open
	for {
		_ = idle.Read(f.woken) // the poller watches it, and only run closes it
		if n := f.collect(&batch); n > 0 {
			f.deliver(&batch, n)
		} else if f.capture.Ended() {
			break
		}
	}
	// The records in the queue found no room.
	f.mu.Lock()
	f.unwritten.Add(uint64(len(f.queue)))
	f.queue = nil
	f.mu.Unlock()
	_ = f.pipe.Close()
	f.flushes.Wait()
	f.mu.Lock()
	f.over = true
	if f.direct >= 0 {
		_ = unix.Close(f.direct)
	}
	f.mu.Unlock()
	_ = f.idle.Close()
	f.capture.Free()
	close(f.ended)
}

// woken reports whether there is something to do for run. The runtime's poller calls
// it, before run parks and after each write to idle.
func (f *forwarder) woken(uintptr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.capture.Ended() || f.waiting == 0 && !f.capture.Empty() {
		return true
	}
	f.arm()
	return false
}

// arm makes the next signal wake a goroutine. The caller holds mu.
func (f *forwarder) arm() {
	switch {
	case f.over:
	case f.waiting == 0:
		f.capture.Arm(f.idleNum)
	case f.put == f.emptied:
		f.capture.Arm(f.direct)
	}
}

// collect takes signals from the ring for the pipe. It leaves them to the waiters if
// there are any.
func (f *forwarder) collect(batch *records) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting > 0 && !f.capture.Ended() {
		return 0
	}
	n = f.next(batch[:]) / recordSize
	f.put += uint64(n)
	return n
}

// next fills p with records from the ring. It returns the number of bytes. The caller
// holds mu.
func (f *forwarder) next(p []byte) (n int) {
	var info capture.Siginfo
	for n+recordSize <= len(p) && f.capture.Next(&info) {
		(*record)(p[n:]).fill(&info)
		n += recordSize
	}
	return n
}

// deliver writes n records into the pipe, or puts them into the queue.
func (f *forwarder) deliver(batch *records, n int) {
	f.mu.Lock()
	flushing := f.flushing
	f.mu.Unlock()
	written := false
	if !flushing {
		// The pipe takes all of them or none: they are not longer than PIPE_BUF.
		_, err := f.pipe.Write(batch[:n*recordSize])
		written = err == nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if written {
		f.settle(n)
		return
	}
	for i := range n {
		if len(f.queue) == maxQueue {
			f.unwritten.Add(uint64(n - i))
			f.settle(n - i)
			break
		}
		f.queue = append(f.queue, *batch.at(i))
	}
	if !f.flushing {
		f.flushing = true
		f.flushes.Go(f.flush)
	}
}

// settle counts n records that are in the pipe or dropped. The caller holds mu.
func (f *forwarder) settle(n int) {
	f.settled += uint64(n)
	if f.waiting > 0 {
		capture.Wake(f.direct)
	}
}

// flush writes the queue.
func (f *forwarder) flush() {
	var batch records
	for {
		f.mu.Lock()
		n := min(len(f.queue), maxRecords)
		for i := range n {
			*batch.at(i) = f.queue[i]
		}
		if f.queue = f.queue[n:]; n == 0 {
			f.queue, f.flushing = nil, false
		}
		f.mu.Unlock()
		if n == 0 {
			return
		}
		written := f.write(batch[:n*recordSize])
		f.mu.Lock()
		f.settle(n)
		f.mu.Unlock()
		if !written {
			f.unwritten.Add(uint64(n))
			f.end()
		}
	}
}

// write waits for room in the pipe. It returns false if all read ends are closed, or if
// the capture has ended. The first happens if the program closes the FD of a SignalFD,
// and not the SignalFD.
func (f *forwarder) write(p []byte) bool {
	for {
		switch _, err := f.pipe.WriteContext(context.Background(), p); {
		case err == nil:
			return true
		case errors.Is(err, unix.EPIPE), errors.Is(err, fd.ErrClosed):
			return false
		}
		time.Sleep(time.Millisecond) // the kernel lacks memory, for example
	}
}
