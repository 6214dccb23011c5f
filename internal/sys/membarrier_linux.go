//go:build amd64 || arm64 || riscv64 || loong64

package sys

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The commands of membarrier(2), which x/sys does not define. Requires Linux 4.14.
const (
	membarrierExpedited = 1 << 3 // MEMBARRIER_CMD_PRIVATE_EXPEDITED
	membarrierRegister  = 1 << 4 // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
)

func membarrier(command uintptr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0)
	return errno
}

var (
	registering    sync.Once
	registered     atomic.Bool
	registerReturn = make(chan struct{}) // closed when the registration has ended

	// Variables for tests.
	barrier         uintptr = membarrierExpedited
	registerProcess         = func() bool { return membarrier(membarrierRegister) == 0 }
)

// register registers the process with membarrier(2) in the background, because
// in a process with threads the kernel waits for an RCU grace period: 2 to 13 ms.
// Race builds, whose detector follows the calls, and IOFD_REFCOUNT=atomic never
// register. For tests, IOFD_REFCOUNT=biased waits here until that is done. It sets the
// limits of promote to 0, so that every call on the counted path takes the bias.
func register() {
	mode := os.Getenv("IOFD_REFCOUNT")
	if instrumented || mode == "atomic" {
		close(registerReturn)
		return
	}
	go func() {
		registered.Store(registerProcess())
		close(registerReturn)
	}()
	if mode == "biased" {
		callsToBecome, callsToEvict = 0, 0
		<-registerReturn
	}
}

// Registered registers the process, waits until that is done, and reports whether
// calls can be biased. It is for tests.
func Registered() bool {
	registering.Do(register)
	<-registerReturn
	return registered.Load()
}

// fence makes every running thread of the process execute a memory barrier.
func fence() {
	if membarrier(barrier) != 0 {
		// The call was refused after registration, by seccomp(2) for example.
		// ReadMemStats stops every goroutine, and no owner stops inside its call.
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
	}
}
