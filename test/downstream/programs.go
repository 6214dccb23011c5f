package downstream

import "time"

// A program is a package of another project, and how it is moved to this library.
type program struct {
	name string // of its patches in patches/: NAME.patch, and NAME-tests.patch if there is one
	pkg  string // whose tests are run
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
	// Tests of NAME-tests.patch that fail before and must pass after.
	mended []string
}

var programs = []program{{
	name:   "epoll",
	pkg:    "github.com/cilium/ebpf/internal/epoll",
	handle: "eventfd",
	calls:  []string{"New", "SignalContext", "WaitContext", "Fd", "Close"},
}, {
	name:   "netpoll",
	pkg:    "github.com/cloudwego/netpoll",
	handle: "eventfd",
	calls:  []string{"New", "Read", "Write", "Fd", "Close"},
	limit:  30 * time.Second, // ten times what they take: some runs hang as they are
	slow:   "LinkBuffer|TestIovecs|TestLargeBufferWrite|TestBookSizeLargerThanMaxSize",
	mended: []string{"TestTriggerAfterClose"},
}, {
	name:   "gnet",
	pkg:    "github.com/panjf2000/gnet/v2",
	handle: "eventfd",
	calls:  []string{"NewWaker", "Wake", "Drain", "Fd", "Close"},
	slow:   "^Test(Client|Server|ServeGC|ConnMatrix|SimServer|StreamProxyServer|UDPProxyServer|ServeMulticast)$",
	mended: []string{"TestTriggerAfterClose"},
}, {
	name:   "fsnotify",
	pkg:    "github.com/fsnotify/fsnotify",
	handle: "fd",
	calls:  []string{"NewNonblock", "WithContext", "Control", "Close"},
	slow:   "TestInotifyOverflow",
}, {
	name:   "sys",
	pkg:    "github.com/containerd/containerd/v2/pkg/sys",
	handle: "pidfd",
	calls:  []string{"Self", "FromFD", "SendSignal", "Wait", "WaitContext", "Close"},
	args:   []string{"-test.root"},
}, {
	name:   "libcontainer",
	pkg:    "github.com/opencontainers/runc/libcontainer",
	handle: "eventfd",
	calls:  []string{"New", "WaitContext", "Fd", "Close"},
	mended: []string{"TestNotifyKeepsNoThread"},
}}
