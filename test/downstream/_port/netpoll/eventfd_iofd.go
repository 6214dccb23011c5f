package netpoll

import "code.hybscloud.com/iofd/eventfd"

// waker wakes a poller that waits in epoll_wait(2).
type waker = eventfd.EventFD

func newWaker() (*waker, error) { return eventfd.New(0) }
