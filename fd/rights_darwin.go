package fd

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const scmPidfd = -1 // there is none

// controlRoom is for the most control data that one message has, a cluster of mbufs. The
// kernel would leave descriptors open that do not fit.
const controlRoom = 2048

// recvmsg keeps fork(2) out until the descriptors are close-on-exec.
func recvmsg(socket int, data, control []byte) (n, used, flags int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, used, flags, _, err = unix.Recvmsg(socket, data, control, unix.MSG_DONTWAIT)
	rights, _ := controlNumbers(control[:max(used, 0)])
	for _, number := range rights {
		unix.CloseOnExec(number)
	}
	return n, used, flags, err
}
