package netpoll

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A poller that has ended is triggered once more, after another file has got the
// number of its eventfd.
func TestTriggerAfterClose(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	MustNil(t, err)
	defer file.Close()
	poll := endedPoll(t)
	for !occupy(t, poll.wop.FD, file) { // another goroutine was there first
		poll = endedPoll(t)
	}
	t.Log("Trigger:", poll.Trigger())
	info, err := file.Stat()
	MustNil(t, err)
	if n := info.Size(); n != 0 {
		t.Errorf("%d bytes in a file that is none of the poller's", n)
	}
}

func endedPoll(t *testing.T) *defaultPoll {
	poll, err := openDefaultPoll()
	MustNil(t, err)
	ended := make(chan error)
	go func() { ended <- poll.Wait() }()
	MustNil(t, poll.Close())
	MustNil(t, <-ended)
	return poll
}

// occupy reports whether it could make number, which was free, one of file's.
func occupy(t *testing.T, number int, file *os.File) bool {
	got, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, number) // the lowest from there
	MustNil(t, err)
	t.Cleanup(func() { unix.Close(got) })
	return got == number
}
