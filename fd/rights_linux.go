package fd

import "golang.org/x/sys/unix"

const scmPidfd = unix.SCM_PIDFD

// controlRoom is for the control messages that the owner of a socket may ask the kernel
// for, by SO_PASSCRED, SO_PASSSEC and SO_PASSPIDFD. In their place, so many more
// descriptors may come than the limit. The kernel drops the rest.
var controlRoom = unix.CmsgSpace(unix.SizeofUcred) + unix.CmsgSpace(maxLabel) + unix.CmsgSpace(4)

// maxLabel is longer than the labels of security modules usually are.
const maxLabel = 256

func recvmsg(socket int, data, control []byte) (n, used, flags int, err error) {
	n, used, flags, _, err = unix.Recvmsg(socket, data, control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	return n, used, flags, err
}
