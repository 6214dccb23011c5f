package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// NeedDescriptors returns an error if fewer than n descriptor numbers are free. The Go
// runtime ends the program if it gets none for its poller.
func NeedDescriptors(n int) error {
	for range n {
		number, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("%d descriptors are needed: %w", n, err)
		}
		defer unix.Close(number)
	}
	return nil
}

// OpenPoller has the Go runtime open its poller, which a timer does, or ends the program. If
// the runtime gets no descriptor for the poller later, it prints the stacks of all goroutines.
func OpenPoller() {
	if err := NeedDescriptors(2); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(StatusFailed)
	}
	time.AfterFunc(time.Hour, func() {}).Stop()
}

// MakeThreads has the Go runtime make n threads, and use two processors at most. If the
// system refuses a thread, the runtime ends the program with status 2. After MakeThreads it
// needs no more, unless more than n goroutines block in system calls.
func MakeThreads(n int) {
	runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0)))
	var made, used sync.WaitGroup
	used.Add(1)
	for range n {
		made.Add(1)
		go func() {
			runtime.LockOSThread()
			made.Done()
			used.Wait()
			runtime.UnlockOSThread() // the runtime keeps the thread
		}()
	}
	made.Wait()
	used.Done()
}
