package gnet

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"
)

// A poller that is closed is triggered once more, after another file has got the number
// of its eventfd.
func TestTriggerAfterClose(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i := 0; i < 100; i++ {
		before := eventfds(t)
		poller, err := netpoll.OpenPoller()
		if err != nil {
			t.Fatal(err)
		}
		number := -1
		for n := range eventfds(t) {
			if !before[n] {
				number = n
			}
		}
		if err := poller.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, number) // the lowest from there
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(got)
		if got != number {
			continue // another goroutine was there first
		}
		t.Log("Trigger:", poller.Trigger(queue.HighPriority, func(any) error { return nil }, nil))
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if n := info.Size(); n != 0 {
			t.Errorf("%d bytes in a file that is none of the poller's", n)
		}
		return
	}
	t.Fatal("the number of the eventfd is never free")
}

// eventfds returns the numbers of the eventfds that are open.
func eventfds(t *testing.T) map[int]bool {
	numbers := make(map[int]bool)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		link, _ := os.Readlink(fmt.Sprint("/proc/self/fd/", f.Name()))
		if n, err := strconv.Atoi(f.Name()); err == nil && link == "anon_inode:[eventfd]" {
			numbers[n] = true
		}
	}
	return numbers
}
