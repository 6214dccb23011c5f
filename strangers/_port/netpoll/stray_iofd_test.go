package netpoll

import (
	"os"
	"syscall"
	"testing"
)

// A poller that has ended is triggered once more, when somebody else has got the
// number of its eventfd.
func TestTriggerAfterClose(t *testing.T) {
	poll, err := openDefaultPoll()
	MustNil(t, err)
	ended := make(chan error)
	go func() { ended <- poll.Wait() }()
	MustNil(t, poll.Close())
	MustNil(t, <-ended)

	file, err := os.CreateTemp(t.TempDir(), "")
	MustNil(t, err)
	defer file.Close()
	for number := -1; number < poll.wop.FD; { // the kernel gives the lowest that is free
		number, err = syscall.Dup(int(file.Fd()))
		MustNil(t, err)
		defer syscall.Close(number)
	}
	t.Log("Trigger:", poll.Trigger())
	info, err := file.Stat()
	MustNil(t, err)
	if n := info.Size(); n != 0 {
		t.Errorf("%d bytes in a file that is none of the poller's", n)
	}
}
