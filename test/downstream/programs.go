package main

import "time"

// A program is a package of another project, and how it is moved to this library.
type program struct {
	name string // the folder of its files in _port/
	pkg  string // whose tests are run
	what string // the number that the handle replaces
	// Files of theirs, with what is changed in them.
	changes map[string]change
	// The package whose functions must be reached by their tests, and these.
	handle string
	calls  []string
	// How long their tests may take, if not 90 seconds.
	limit time.Duration
	// Flags of their tests.
	args []string
	// Their tests that take long and have nothing to do with the descriptor, as a
	// regular expression: left out unless all are asked for.
	slow string
	// Tests of ours in _port/ that fail before and must pass after.
	mended []string
	// Their benchmarks that use the descriptor, as the flag names them.
	bench []string
}

// What gnet's poller has in place of a Waker, but for the flag.
const (
	gnetVariables = `// Make the endianness of bytes compatible with more linux OSs under different processor-architectures,
// according to http://man7.org/linux/man-pages/man2/eventfd.2.html.
var (
	u uint64 = 1
	b        = (*(*[8]byte)(unsafe.Pointer(&u)))[:]
)
`
	gnetWrite = `	if atomic.CompareAndSwapInt32(&p.wakeupCall, 0, 1) {
		for {
			_, err = unix.Write(p.efd, b)
			if err == unix.EAGAIN {
				_, _ = unix.Read(p.efd, p.efdBuf)
				continue
			}
			break
		}
	}
`
	gnetWriteAgain = `if (!p.asyncTaskQueue.IsEmpty() || !p.urgentAsyncTaskQueue.IsEmpty()) && atomic.CompareAndSwapInt32(&p.wakeupCall, 0, 1) {
				for {
					_, err = unix.Write(p.efd, b)
					if err == unix.EAGAIN {
						_, _ = unix.Read(p.efd, p.efdBuf)
						continue
					}
					if err != nil {
`
	gnetWriteEnd = `					}
					break
				}
			}
`
)

var programs = []program{{
	name: "epoll",
	pkg:  "github.com/cilium/ebpf/internal/epoll",
	what: "the eventfds that end and flush a wait for events from the kernel's ring buffers",
	changes: map[string]change{"poller.go": {
		drop: []string{"eventFd", "newEventFd", "eventFd.close", "eventFd.add", "eventFd.read"},
	}},
	handle: "eventfd",
	calls:  []string{"New", "SignalContext", "WaitContext", "Fd", "Close"},
}, {
	name: "netpoll",
	pkg:  "github.com/cloudwego/netpoll",
	what: "the eventfd that wakes an event loop",
	changes: map[string]change{"poll_default_linux.go": {
		edits: []edit{
			{"r0, _, e0 := syscall.Syscall(syscall.SYS_EVENTFD2, 0, 0, 0)", "wake, err := newWaker()"},
			{"if e0 != 0 {", "if err != nil {"},
			{"return nil, e0", "return nil, err"},
			{"&FDOperator{FD: int(r0)}", "&FDOperator{FD: wake.Fd()}"},
			{"poll.Reset = poll.reset", "poll.wake = wake; poll.Reset = poll.reset"},
			{"_ = syscall.Close(poll.wop.FD)", "_ = wake.Close()"},
			{"wop     *FDOperator", "wake *waker; wop *FDOperator"},
			{"syscall.Read(p.wop.FD, p.buf)", "p.wake.Read(p.buf)"},
			{"syscall.Close(p.wop.FD)", "p.wake.Close()"},
			{"syscall.Write(p.wop.FD, []byte{1", "p.wake.Write([]byte{1"},
			{"syscall.Write(p.wop.FD, []byte{0", "p.wake.Write([]byte{0"},
		},
	}},
	handle: "eventfd",
	calls:  []string{"New", "Read", "Write", "Fd", "Close"},
	limit:  30 * time.Second, // ten times what they take: some runs hang as they are
	slow:   "LinkBuffer|TestIovecs|TestLargeBufferWrite|TestBookSizeLargerThanMaxSize",
	mended: []string{"TestTriggerAfterClose"},
}, {
	name: "gnet",
	pkg:  "github.com/panjf2000/gnet/v2",
	what: "the eventfd and the flag that wake an event loop",
	changes: map[string]change{"pkg/netpoll/poller_epoll_default.go": {
		edits: []edit{
			{`errorx "github.com/panjf2000/gnet/v2/pkg/errors"`, `"code.hybscloud.com/iofd/eventfd"; errorx "github.com/panjf2000/gnet/v2/pkg/errors"`},
			{"efdBuf                      []byte // efd buffer to read an 8-byte integer\n", "wake *eventfd.Waker\n"},
			{"wakeupCall                  int32\n", "\n"},
			{"if poller.efd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {", "if poller.wake, err = eventfd.NewWaker(); err != nil {"},
			{"err = os.NewSyscallError(\"eventfd\", err)\n", "\n"},
			{"poller.efdBuf = make([]byte, 8)", "poller.efd = poller.wake.Fd()"},
			{"_ = unix.Close(p.efd)", "if p.wake != nil { _ = p.wake.Close() }"},
			{gnetVariables, ""},
			{gnetWrite, ""},
			{"return os.NewSyscallError(\"write\", err)\n", "return p.wake.Wake()\n"},
			// The loop has looked at its queues, and looks again after Drain.
			{"atomic.StoreInt32(&p.wakeupCall, 0)", "_ = p.wake.Drain()"},
			{gnetWriteAgain, "if !p.asyncTaskQueue.IsEmpty() || !p.urgentAsyncTaskQueue.IsEmpty() { if err = p.wake.Wake(); err != nil {"},
			{gnetWriteEnd, "}\n}\n"},
		},
	}},
	handle: "eventfd",
	calls:  []string{"NewWaker", "Wake", "Drain", "Fd", "Close"},
	slow:   "^Test(Client|Server|ServeGC|ConnMatrix|SimServer|StreamProxyServer|UDPProxyServer|ServeMulticast)$",
	mended: []string{"TestTriggerAfterClose"},
}, {
	name: "fsnotify",
	pkg:  "github.com/fsnotify/fsnotify",
	what: "the inotify instance, number and os.File",
	changes: map[string]change{"backend_inotify.go": {
		edits: []edit{
			{"fd          int\n", "fd descriptor\n"},
			{"inotifyFile *os.File\n", "\n"},
			{"unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)", "newDescriptor()"},
			{"if fd == -1 {", "if errno != nil {"},
			{"inotifyFile: os.NewFile(uintptr(fd), \"\"),\n", "\n"},
			{"w.inotifyFile.Close()", "w.fd.Close()"},
			{"unix.InotifyAddWatch(w.fd, path, flags)", "w.fd.addWatch(path, flags)"},
			{"unix.InotifyRmWatch(w.fd, wd)", "w.fd.rmWatch(wd)"},
			{"w.inotifyFile.Read(buf[:])", "w.fd.Read(buf[:])"},
		},
	}},
	handle: "fd",
	calls:  []string{"NewNonblock", "WithContext", "Control", "Close"},
	slow:   "TestInotifyOverflow",
	bench:  []string{"BenchmarkWatch/default", "BenchmarkAddRemove/default"},
}, {
	name: "sys",
	pkg:  "github.com/containerd/containerd/v2/pkg/sys",
	what: "the pidfd of a child that is started for its user namespace",
	changes: map[string]change{
		"pidfd_linux.go": {drop: []string{"checkPidFD"}},
		"unshare_linux.go": {
			drop: []string{"pidfdWaitid"},
			edits: []edit{
				{"defer unix.Close(pidfd)", "child, err := own(pidfd); if err != nil { proc.Kill(); proc.Wait(); return err }; defer child.Close()"},
				{"unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)", "child.SendSignal(unix.SIGKILL)"},
				{"pidfdWaitid(pidfd)", "reap(child)"},
				{"unix.PidfdSendSignal(pidfd, 0, nil, 0)", "exists(child)"},
			},
		},
	},
	handle: "pidfd",
	calls:  []string{"Self", "FromFD", "SendSignal", "Wait", "WaitContext", "Close"},
	args:   []string{"-test.root"},
}, {
	name: "libcontainer",
	pkg:  "github.com/opencontainers/runc/libcontainer",
	what: "the eventfd by which the kernel tells of memory that runs out",
	changes: map[string]change{"notify_linux.go": {
		edits: []edit{
			{"fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)", "eventfd, err := newEventFD()"},
			{"eventfd := os.NewFile(uintptr(fd), \"eventfd\")\n", "\n"},
			{"buf := make([]byte, 8)\n", "\n"},
			{"eventfd.Read(buf)", "await(eventfd)"},
		},
	}},
	handle: "eventfd",
	calls:  []string{"New", "WaitContext", "Fd", "Close"},
	mended: []string{"TestNotifyKeepsNoThread"},
}}
