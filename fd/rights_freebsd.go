package fd

import "golang.org/x/sys/unix"

const scmPidfd = -1 // there is none

// controlRoom is for the most control data that one message has, a cluster of mbufs.
const controlRoom = 2048

func recvmsg(socket int, data, control []byte) (n, used, flags int, err error) {
	n, used, flags, _, err = unix.Recvmsg(socket, data, control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	return n, used, flags, err
}
