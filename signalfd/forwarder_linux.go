package signalfd

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/capture"
)

// A forwarder writes captured signals into a pipe. Its goroutine run takes them
// from the ring of the capture. If the pipe is full, run puts the records into a
// queue. The goroutine flush writes the queue, and ends when the queue is empty.
//
// A write may block although the pipe is in non-blocking mode: another process that
// has the read end can hold the lock of the pipe. So no lock is held during a write.
type forwarder struct {
	capture *capture.Capture
	pipe    fd.FD         // write end
	readers atomic.Int32  // the SignalFDs on the read end
	ended   chan struct{} // closed when the forwarder has ended

	masking sync.Mutex // held while the mask changes
	stop    func()     // of unblock

	mu        sync.Mutex // guards these
	queue     []record
	flushing  bool
	flushes   sync.WaitGroup
	unwritten atomic.Uint64 // signals that the queue had no room for, or that were in it at the end
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
	c, err := capture.New(uint64(set))
	if err != nil {
		_ = unix.Close(ends[0])
		_ = unix.Close(ends[1])
		return nil, -1, err
	}
	f := &forwarder{capture: c, ended: make(chan struct{}), stop: unblock(blocked & set)}
	f.pipe.Internal().Init(ends[1], sys.Entersyscall)
	f.readers.Store(1)
	go f.run()
	return f, ends[0], nil
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
	var info capture.Siginfo
	for f.capture.Wait() {
		n := 0
		for n < maxRecords && f.capture.Next(&info) {
			batch.at(n).fill(&info)
			n++
		}
		f.deliver(&batch, n)
	}
	// The records in the queue found no room.
	f.mu.Lock()
	f.unwritten.Add(uint64(len(f.queue)))
	f.queue = nil
	f.mu.Unlock()
	_ = f.pipe.Close()
	f.flushes.Wait()
	f.capture.Free()
	close(f.ended)
}

// deliver writes n records into the pipe, or puts them into the queue.
func (f *forwarder) deliver(batch *records, n int) {
	f.mu.Lock()
	waiting := f.flushing
	f.mu.Unlock()
	if !waiting {
		// The pipe takes all of them or none: they are not longer than PIPE_BUF.
		if _, err := f.pipe.Write(batch[:n*recordSize]); err == nil {
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range n {
		if len(f.queue) == maxQueue {
			f.unwritten.Add(uint64(n - i))
			break
		}
		f.queue = append(f.queue, *batch.at(i))
	}
	if !f.flushing {
		f.flushing = true
		f.flushes.Go(f.flush)
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
		if !f.write(batch[:n*recordSize]) {
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
