package fd_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// The kernel takes locks for read(2) and write(2) in non-blocking mode too. A peer
// holds such a lock for as long as it likes. These tests let a child hold one.

// heldAtMost is the time after which the child releases the lock by itself. Only a
// parent in which no goroutine runs needs it.
const heldAtMost = 10 * time.Second

// Exit statuses of the child.
const (
	heldUntilTold = 0
	heldTooLong   = 3
	heldNothing   = 4
)

// holders take a lock of the descriptors 3 and 4, and do not return while they hold
// it. They return an error if the machine does not let them.
var holders = map[string]func(first, second int) error{
	// splice(2) keeps the pipe's mutex while it waits for the socket.
	"splice into the pipe": func(pipe, _ int) error {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_, err = unix.Splice(pair[0], nil, pipe, nil, 1, 0)
		return err
	},
	splicer: func(pipe, _ int) error {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		for err == nil {
			_, err = unix.Write(pair[0], make([]byte, 4096))
		}
		if err = unix.SetNonblock(pair[0], false); err != nil {
			return err
		}
		_, err = unix.Splice(pipe, nil, pair[0], nil, 1<<16, 0)
		return err
	},
	"read from the pipe into slow memory": func(from, _ int) error {
		memory, err := slowMemory()
		if err != nil {
			return err
		}
		_, _, errno := unix.Syscall(unix.SYS_READ, uintptr(from), memory, 4096)
		return errno
	},
	"write from slow memory into the pipe": func(to, _ int) error {
		memory, err := slowMemory()
		if err != nil {
			return err
		}
		_, _, errno := unix.Syscall(unix.SYS_WRITE, uintptr(to), memory, 4096)
		return errno
	},
	"receive from the socket into slow memory": func(from, peer int) error {
		memory, err := slowMemory()
		if err != nil {
			return err
		}
		for { // the parent may be quicker
			if _, err = unix.Write(peer, make([]byte, 4096)); err != nil {
				return err
			}
			if _, _, errno := unix.Syscall(unix.SYS_READ, uintptr(from), memory, 4096); errno != unix.EAGAIN {
				return errno
			}
		}
	},
	// The parent's read waits for data in blocking mode.
	modeTaker: func(from, _ int) error {
		if err := unix.SetNonblock(from, false); err != nil {
			return err
		}
		select {}
	},
}

const (
	splicer   = "splice out of the pipe"
	modeTaker = "take the mode away"
)

// giveBack ends what modeTaker did, and the two reads that wait.
func giveBack(from, peer int) {
	_ = unix.SetNonblock(from, true)
	_, _ = unix.Write(peer, []byte("xx"))
}

// slowMemory returns the address of a page whose first access waits for an answer
// that never comes, see userfaultfd(2). FUSE and NFS have such pages too.
func slowMemory() (uintptr, error) {
	address, _, err := slowPage()
	return address, err
}

// slowPage is slowMemory that also returns the descriptor that reports the access.
func slowPage() (address uintptr, faults int, err error) {
	const (
		apiCall      = 0xc018aa3f // UFFDIO_API
		registerCall = 0xc020aa00 // UFFDIO_REGISTER
		missing      = 1          // UFFDIO_REGISTER_MODE_MISSING
	)
	number, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return 0, -1, os.NewSyscallError("userfaultfd", errno)
	}
	api := struct{ api, features, ioctls uint64 }{api: 0xaa}
	if _, _, errno = unix.Syscall(unix.SYS_IOCTL, number, apiCall, uintptr(unsafe.Pointer(&api))); errno != 0 {
		return 0, -1, os.NewSyscallError("UFFDIO_API", errno)
	}
	page, err := unix.MmapPtr(-1, 0, nil, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return 0, -1, os.NewSyscallError("mmap", err)
	}
	register := struct{ start, length, mode, ioctls uint64 }{uint64(uintptr(page)), 1 << 16, missing, 0}
	if _, _, errno = unix.Syscall(unix.SYS_IOCTL, number, registerCall, uintptr(unsafe.Pointer(&register))); errno != 0 {
		return 0, -1, os.NewSyscallError("UFFDIO_REGISTER", errno)
	}
	return uintptr(page), int(number), nil
}

const holderVariable = "IOFD_TEST_HOLDER"

func TestChildHoldsLock(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	holder := os.Getenv(holderVariable)
	if strings.Contains(holder, "pipe") {
		// The parent's end has a mode of its own.
		require.NoError(t, unix.SetNonblock(3, false))
	}
	returned, told := make(chan error, 1), make(chan struct{})
	go func() { returned <- holders[holder](3, 4) }()
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(told)
	}()
	status := heldUntilTold
	select {
	case err := <-returned:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(heldNothing)
	case <-told:
	case <-time.After(heldAtMost):
		status = heldTooLong
	}
	if holder == modeTaker {
		giveBack(3, 4)
	}
	os.Exit(status)
}

// A heldLock is a child that runs a holder.
type heldLock struct {
	let   io.Closer // ends it
	ended <-chan heldEnd
}

type heldEnd struct {
	status int
	text   string
}

func holdLock(t *testing.T, holder string, numbers ...int) heldLock {
	t.Helper()
	cmd := systest.Child(t, "TestChildHoldsLock")
	cmd.Env = append(cmd.Env, holderVariable+"="+holder)
	for _, number := range numbers {
		number, err := unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
		require.NoError(t, err)
		file := os.NewFile(uintptr(number), "end")
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	let, err := cmd.StdinPipe()
	require.NoError(t, err)
	var text strings.Builder
	cmd.Stderr = &text
	require.NoError(t, cmd.Start())
	ended := make(chan heldEnd, 1)
	go func() {
		_ = cmd.Wait()
		ended <- heldEnd{systest.ExitStatus(cmd), strings.TrimSpace(text.String())}
	}()
	return heldLock{let, ended}
}

// A stuckCall is a call that needs a lock which a child holds.
type stuckCall struct {
	number int // what the call is made on
	holder string
	shares []int // what the child gets
	write  bool
	parks  bool // the call need not wait for the lock
	call   func(f *fd.FD, p []byte) (int, error)
}

// othersRun makes the call on an FD of a process with one processor, as soon as a child
// holds the lock. The other goroutines have to run while that call is in flight. Dup,
// Release and Close must not wait for it.
//
// The FD has a number of its own for what the child may have too, as a received
// descriptor has: close-on-exec, and in non-blocking mode.
func othersRun(t *testing.T, c stuckCall) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	number, err := unix.FcntlInt(uintptr(c.number), unix.F_DUPFD_CLOEXEC, 0)
	f := owned(t, number, err)
	for range 3 {
		_, err := c.call(f, []byte("x"))
		if err != context.Canceled {
			require.Contains(t, []error{nil, fd.ErrWouldBlock}, err)
		}
	}
	lock := holdLock(t, c.holder, c.shares...)
	defer lock.let.Close()

	// Calls of package unix find out when the child holds the lock.
	var probes atomic.Int64
	var stop atomic.Bool
	probed := make(chan struct{})
	go func() {
		defer close(probed)
		for ; !stop.Load(); probes.Add(1) {
			if c.write {
				_, _ = unix.Write(c.number, []byte("x"))
			} else {
				_, _ = unix.Read(c.number, make([]byte, 1))
			}
			time.Sleep(time.Millisecond)
		}
	}()
	done := make(chan error, 1)
	calls := 0
	// stillHeld ends the test if the child has ended.
	stillHeld := func(after string) {
		t.Helper()
		select {
		case end := <-lock.ended:
			stop.Store(true)
			<-probed
			for range calls {
				<-done
			}
			switch end.status {
			case heldNothing:
				if c.holder == splicer && end.text == "<nil>" {
					t.Skip("since Linux 6.5: splice(2) to a full socket keeps the pipe's lock")
				}
				t.Skip("needs a child that holds the lock: ", end.text)
			case heldTooLong:
				t.Fatalf("%s: the child gave the lock back by itself after %v", after, heldAtMost)
			}
			t.Fatalf("the child ended with status %d: %s", end.status, end.text)
		default:
		}
	}
	for ticks, last := 0, int64(-1); ticks < 100; ticks++ {
		time.Sleep(time.Millisecond)
		if n := probes.Load(); n != last {
			last, ticks = n, 0
		}
		stillHeld("the lock is not held")
	}
	calls++
	go func() {
		_, err := c.call(f, []byte("x"))
		done <- err
	}()
	for range 100 {
		time.Sleep(time.Millisecond)
		stillHeld("no goroutine ran")
	}
	runtime.GC()
	stillHeld("the collector waited")
	d, err := f.Dup()
	require.NoError(t, err)
	require.NoError(t, d.Close())
	stillHeld("Dup waited")
	if !c.parks {
		assert.Empty(t, done, "the call is in flight")
		if number, err := f.Release(); err == nil {
			_ = unix.Close(number)
			t.Error("Release gave the number of a call in flight up")
		} else {
			assert.ErrorIs(t, err, unix.EBUSY)
		}
		stillHeld("Release waited")
	}
	assert.NoError(t, f.Close())
	stillHeld("Close waited")
	stop.Store(true)
	require.NoError(t, lock.let.Close())
	assert.Equal(t, heldUntilTold, (<-lock.ended).status)
	<-probed
	<-done
}

// ends returns the numbers of a pipe's two ends in non-blocking mode, closed when the
// test ends.
func modeEnds(t *testing.T, named bool) (r, w int) {
	t.Helper()
	var p [2]int
	if named {
		path := filepath.Join(t.TempDir(), "fifo")
		require.NoError(t, unix.Mkfifo(path, 0o600))
		for i, mode := range []int{unix.O_RDONLY, unix.O_WRONLY} {
			number, err := unix.Open(path, mode|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			require.NoError(t, err)
			p[i] = number
		}
	} else {
		require.NoError(t, unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	}
	closeAtEnd(t, p[:]...)
	return p[0], p[1]
}

// The calls that a peer may stop are plain, or have a context that has ended.
var (
	stuckReads = map[string]func(*fd.FD, []byte) (int, error){
		"Read":        (*fd.FD).Read,
		"ReadContext": func(f *fd.FD, p []byte) (int, error) { return f.ReadContext(contextEnded(), p) },
	}
	stuckWrites = map[string]func(*fd.FD, []byte) (int, error){
		"Write":        (*fd.FD).Write,
		"WriteContext": func(f *fd.FD, p []byte) (int, error) { return f.WriteContext(contextEnded(), p) },
	}
)

func TestOthersRunWhilePeerHoldsPipe(t *testing.T) {
	for kind, named := range map[string]bool{"pipe": false, "FIFO": true} {
		for _, holder := range []string{"splice into the pipe", "write from slow memory into the pipe"} {
			for name, call := range stuckReads {
				t.Run(kind+"/"+holder+"/"+name, func(t *testing.T) {
					r, w := modeEnds(t, named)
					othersRun(t, stuckCall{number: r, holder: holder, shares: []int{w}, parks: name != "Read", call: call})
				})
			}
		}
		for _, holder := range []string{splicer, "read from the pipe into slow memory"} {
			for name, call := range stuckWrites {
				t.Run(kind+"/"+holder+"/"+name, func(t *testing.T) {
					r, w := modeEnds(t, named)
					othersRun(t, stuckCall{number: w, holder: holder, shares: []int{r}, write: true, parks: name != "Write", call: call})
				})
			}
		}
	}
}

// A process that has the same socket holds the socket's lock.
func TestOthersRunWhilePeerHoldsSocket(t *testing.T) {
	const holder = "receive from the socket into slow memory"
	for name, call := range stuckReads {
		t.Run("Unix/"+name, func(t *testing.T) {
			a, b := unixPair(t)
			othersRun(t, stuckCall{number: a, holder: holder, shares: []int{a, b}, parks: name != "Read", call: call})
		})
		t.Run("TCP/"+name, func(t *testing.T) {
			a, b := tcpPair(t)
			othersRun(t, stuckCall{number: a, holder: holder, shares: []int{a, b}, parks: name != "Read", call: call})
		})
	}
	for name, call := range stuckWrites {
		t.Run("TCP/"+name, func(t *testing.T) {
			a, b := tcpPair(t)
			othersRun(t, stuckCall{number: a, holder: holder, shares: []int{a, b}, write: true, parks: name != "Write", call: call})
		})
	}
}

// The mode of a received descriptor belongs to the sender, too.
func TestOthersRunWhenModeIsTakenAway(t *testing.T) {
	for kind, pair := range map[string]func(*testing.T) (r, w int){
		"pipe": func(t *testing.T) (r, w int) { return modeEnds(t, false) },
		"FIFO": func(t *testing.T) (r, w int) { return modeEnds(t, true) },
		"Unix": unixPair,
		"TCP":  tcpPair,
	} {
		t.Run(kind, func(t *testing.T) {
			r, w := pair(t)
			othersRun(t, stuckCall{number: r, holder: modeTaker, shares: []int{r, w}, call: (*fd.FD).Read})
		})
	}
}

// write(2) to a netlink socket executes the requests before it returns.
func TestOthersRunWhileNetlinkWrites(t *testing.T) {
	cmd := systest.Child(t, "TestChildWritesNetlink")
	cmd.SysProcAttr = systest.InNamespaces(t, unix.CLONE_NEWNET)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	if strings.Contains(string(out), "SKIP: TestChildWritesNetlink") {
		t.Skipf("%s", out)
	}
}

func TestChildWritesNetlink(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	number, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	f := owned(t, number, err)
	kind := ""
	for _, kind = range []string{"bridge", "ifb", "veth", "dummy", ""} {
		if kind == "" {
			t.Skip("the kernel has no network device that can be added and deleted")
		}
		// The kernel answers every request that fails.
		_, err := f.Write(addAndDelete(kind))
		require.NoError(t, err)
		if _, err = f.Read(make([]byte, 4096)); err == fd.ErrWouldBlock {
			break
		}
		for err == nil {
			_, err = f.Read(make([]byte, 4096))
		}
	}
	var requests []byte
	for len(requests) < 2400 {
		requests = append(requests, addAndDelete(kind)...)
	}
	var ticks atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				ticks.Add(1)
			}
		}
	}()
	// The goroutine may run once when a call that kept the processor has returned.
	const want = 10
	most := int64(0)
	for i := 0; i < 10 && most < want; i++ {
		before := ticks.Load()
		_, err := f.Write(requests)
		most = max(most, ticks.Load()-before)
		require.NoError(t, err)
	}
	close(stop)
	<-stopped
	assert.GreaterOrEqual(t, most, int64(want), "ticks while one write was in flight")
}

// addAndDelete returns the requests that add a network device and delete it, see
// rtnetlink(7).
func addAndDelete(kind string) []byte {
	attribute := func(number uint16, value []byte) []byte {
		a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
		a = binary.NativeEndian.AppendUint16(a, number)
		a = append(a, value...)
		return append(a, make([]byte, -len(a)&3)...)
	}
	request := func(number, flags uint16, attributes ...[]byte) []byte {
		body := make([]byte, unix.SizeofIfInfomsg)
		for _, a := range attributes {
			body = append(body, a...)
		}
		r := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
		r = binary.NativeEndian.AppendUint16(r, number)
		r = binary.NativeEndian.AppendUint16(r, unix.NLM_F_REQUEST|flags)
		r = append(r, make([]byte, 8)...)
		return append(r, body...)
	}
	name := attribute(unix.IFLA_IFNAME, []byte("iofd0\x00"))
	info := attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, []byte(kind)))
	return append(
		request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, name, info),
		request(unix.RTM_DELLINK, 0, name)...)
}
