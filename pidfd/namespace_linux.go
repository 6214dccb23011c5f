package pidfd

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// NamespaceKind is a kind of namespace, see namespaces(7).
type NamespaceKind uint

const (
	CgroupNamespace NamespaceKind = unix.PIDFD_GET_CGROUP_NAMESPACE
	IPCNamespace    NamespaceKind = unix.PIDFD_GET_IPC_NAMESPACE
	MountNamespace  NamespaceKind = unix.PIDFD_GET_MNT_NAMESPACE
	NetNamespace    NamespaceKind = unix.PIDFD_GET_NET_NAMESPACE
	PIDNamespace    NamespaceKind = unix.PIDFD_GET_PID_NAMESPACE
	TimeNamespace   NamespaceKind = unix.PIDFD_GET_TIME_NAMESPACE
	UserNamespace   NamespaceKind = unix.PIDFD_GET_USER_NAMESPACE
	UTSNamespace    NamespaceKind = unix.PIDFD_GET_UTS_NAMESPACE

	// The namespaces of future children of the process.
	PIDForChildrenNamespace  NamespaceKind = unix.PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE
	TimeForChildrenNamespace NamespaceKind = unix.PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE
)

var namespaces = map[NamespaceKind]string{
	CgroupNamespace:          "cgroup",
	IPCNamespace:             "ipc",
	MountNamespace:           "mnt",
	NetNamespace:             "net",
	PIDNamespace:             "pid",
	TimeNamespace:            "time",
	UserNamespace:            "user",
	UTSNamespace:             "uts",
	PIDForChildrenNamespace:  "pid_for_children",
	TimeForChildrenNamespace: "time_for_children",
}

// String returns the name that the kind has in /proc/PID/ns: "mnt".
func (k NamespaceKind) String() string {
	if name, ok := namespaces[k]; ok {
		return name
	}
	return fmt.Sprintf("namespace %#x", uint(k))
}

// Namespace returns a descriptor of one of the process's namespaces, for setns(2)
// and ioctl_nsfs(2), see PIDFD_GET_MNT_NAMESPACE in ioctl_pidfd(2). The descriptor is
// close-on-exec. It keeps the namespace alive, also after the end of the process.
//
// Namespace returns EACCES if the caller may not inspect the process, see
// PTRACE_MODE_READ in ptrace(2), and EINVAL if kind is invalid. If the process has
// ended, reaped or not, the error matches os.ErrProcessDone and ESRCH. If only the
// first thread of the process has exited, it matches ESRCH alone. Before Linux 6.11,
// and on a kernel without such namespaces, it matches errors.ErrUnsupported.
func (p *PidFD) Namespace(kind NamespaceKind) (*fd.FD, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return nil, err
	}
	defer p.fd.Internal().Decref()
	if _, ok := namespaces[kind]; !ok {
		return nil, sys.Invalid("pidfd: Namespace: invalid kind, %v", kind)
	}
	got, errno := unix.IoctlRetInt(number, uint(kind))
	err = os.NewSyscallError("ioctl", errno)
	switch errno {
	case nil:
		return fd.New(got), nil
	case unix.ENOTTY:
		return nil, unsupported(err)
	}
	return nil, doneIfEnded(number, err)
}
