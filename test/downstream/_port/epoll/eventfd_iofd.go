package epoll

import (
	"context"
	"runtime"

	"code.hybscloud.com/iofd/eventfd"
)

// eventFd has the poller's own names for what an EventFD does.
type eventFd struct {
	counter *eventfd.EventFD
	raw     int
}

func newEventFd() (*eventFd, error) {
	counter, err := eventfd.New(0)
	if err != nil {
		return nil, err
	}
	efd := &eventFd{counter, counter.Fd()}
	// A poller that was dropped without Close had its eventfds closed,
	// by the finalizer of an os.File.
	runtime.AddCleanup(efd, func(counter *eventfd.EventFD) { _ = counter.Close() }, counter)
	return efd, nil
}

func (efd *eventFd) close() error { return efd.counter.Close() }

func (efd *eventFd) add(n uint64) error { return efd.counter.SignalContext(context.Background(), n) }

func (efd *eventFd) read() (uint64, error) { return efd.counter.WaitContext(context.Background()) }
