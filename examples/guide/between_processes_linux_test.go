package guide_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
)

// startWith starts a command that has the file as its descriptor 3.
func startWith(m *memfd.MemFD, cmd *exec.Cmd) error {
	file, err := m.File(m.Name()) // a duplicate
	if err != nil {
		return err
	}
	defer file.Close() // the child has its own by then
	cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	return cmd.Start()
}

func Example_child() {
	m, err := memfd.NewSealed("greeting", []byte("hello\n"))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	cmd := exec.Command("cat", "/proc/self/fd/3")
	cmd.Stdout = os.Stdout
	if err := startWith(m, cmd); err != nil {
		log.Fatal(err)
	}
	fmt.Println(cmd.Wait())
	// Output:
	// hello
	// <nil>
}

// ready tells the parent, which gave us an eventfd as descriptor 3.
func ready(number int) error {
	f := fd.New(number) // ours from here on
	e, err := eventfd.FromFD(f)
	if err != nil {
		_ = f.Close() // it was something else
		return err
	}
	defer e.Close()
	return e.Notify()
}

func TestReady(t *testing.T) {
	parent, err := eventfd.New(0)
	require.NoError(t, err)
	defer parent.Close()
	inherit := func(f *fd.FD) int {
		var inherited int
		require.NoError(t, f.Control(func(number int) (err error) {
			inherited, err = unix.Dup(number)
			return err
		}))
		return inherited
	}
	require.NoError(t, ready(inherit(parent.FD())))
	n, err := parent.Wait()
	require.NoError(t, err)
	assert.EqualValues(t, 1, n)

	m, err := memfd.New("other")
	require.NoError(t, err)
	defer m.Close()
	require.ErrorIs(t, ready(inherit(m.FD())), unix.EINVAL)
}

// send sends a descriptor over a Unix socket, with a byte to carry it.
func send(c *net.UnixConn, f *fd.FD) error { return fd.Send(c, []byte{'f'}, f) }

// receive receives what send has sent.
func receive(c *net.UnixConn) (*fd.FD, error) {
	_, received, err := fd.Receive(c, make([]byte, 1), 1)
	if err == nil && len(received) != 1 {
		err = errors.New("not one descriptor")
	}
	if err != nil {
		return nil, err
	}
	return received[0], nil
}

// socketpair returns the two ends of a Unix socket.
func socketpair(t *testing.T) [2]*net.UnixConn {
	t.Helper()
	numbers, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var ends [2]*net.UnixConn
	for i, number := range numbers {
		file := os.NewFile(uintptr(number), "")
		conn, err := net.FileConn(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		t.Cleanup(func() { _ = conn.Close() })
		ends[i] = conn.(*net.UnixConn)
	}
	return ends
}

func TestSend(t *testing.T) {
	ends := socketpair(t)
	e, err := eventfd.New(7)
	require.NoError(t, err)
	defer e.Close()
	require.NoError(t, send(ends[0], e.FD()))
	f, err := receive(ends[1])
	require.NoError(t, err)
	cloexec, err := f.Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)
	got, err := eventfd.FromFD(f)
	require.NoError(t, err)
	defer got.Close()
	n, err := got.Wait()
	require.NoError(t, err)
	assert.EqualValues(t, 7, n)
}

// receive closes the descriptors that it refuses. Otherwise systest.Main would find
// them.
func TestReceiveRefuses(t *testing.T) {
	e, err := eventfd.New(0)
	require.NoError(t, err)
	defer e.Close()
	for _, count := range []int{0, 2, 3, 10} {
		if count > 2 && systest.Emulated() {
			continue // an emulator leaves those open that there is no room for
		}
		ends := socketpair(t)
		rights := unix.UnixRights(slices.Repeat([]int{e.Fd()}, count)...)
		if count == 0 {
			rights = nil
		}
		_, _, err = ends[0].WriteMsgUnix([]byte{'f'}, rights, nil)
		require.NoError(t, err)
		_, err = receive(ends[1])
		if count == 0 {
			require.EqualError(t, err, "not one descriptor")
		} else {
			require.ErrorIs(t, err, unix.EBADMSG, count)
		}
	}
}

// table receives a file that cannot change, and maps it.
func table(c *net.UnixConn) (*memfd.Mapping, error) {
	m, err := memfd.ReceiveFrom(c, memfd.SealWrite|memfd.SealShrink|memfd.SealGrow)
	if err != nil {
		return nil, err
	}
	defer m.Close() // the mapping stays
	size, err := m.Size()
	if err != nil {
		return nil, err
	}
	if size < 1 || size > 16<<20 {
		return nil, fmt.Errorf("a table of %d bytes", size)
	}
	return m.Map(0, int(size), memfd.ReadOnly)
}

func TestTable(t *testing.T) {
	ends := socketpair(t)
	for _, c := range []struct {
		make func() (*memfd.MemFD, error)
		want string
	}{
		{func() (*memfd.MemFD, error) { return memfd.NewSealed("good", []byte("a table")) }, ""},
		{func() (*memfd.MemFD, error) { return memfd.New("open") }, "has the seals"},
		{func() (*memfd.MemFD, error) { return memfd.NewSealed("empty", nil) }, "a table of 0 bytes"},
	} {
		m, err := c.make()
		require.NoError(t, err)
		require.NoError(t, m.SendTo(ends[0]))
		require.NoError(t, m.Close())
		mapping, err := table(ends[1])
		if c.want != "" {
			require.ErrorContains(t, err, c.want)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, "a table", string(mapping.Bytes()))
		require.NoError(t, mapping.Close())
	}
}

// share makes a page of memory for both sides, and sends it.
func share(c *net.UnixConn) (*memfd.Mapping, error) {
	m, page, err := memfd.NewShared("page", 4096)
	if err != nil {
		return nil, err
	}
	defer m.Close() // the mapping stays
	if err := m.SendTo(c); err != nil {
		return nil, errors.Join(err, page.Close())
	}
	return page, nil
}

// join receives the page that share has sent.
func join(c *net.UnixConn) (*memfd.Mapping, error) {
	m, err := memfd.ReceiveFrom(c, memfd.SealShrink) // no SIGBUS later
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.Map(0, 4096, memfd.ReadWrite) // fails if the file is smaller
}

func TestShare(t *testing.T) {
	ends := socketpair(t)
	ours, err := share(ends[0])
	require.NoError(t, err)
	theirs, err := join(ends[1])
	require.NoError(t, err)
	ours.Uint32(4092).Store(7)
	assert.EqualValues(t, 8, theirs.Uint32(4092).Add(1))
	assert.Nil(t, theirs.Uint32(4096))
	require.NoError(t, errors.Join(ours.Close(), theirs.Close()))
}

// peer returns the process that connected, and the user that it was then.
func peer(c *net.UnixConn) (p *pidfd.PidFD, uid uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, 0, err
	}
	var who *unix.Ucred
	var failure error
	err = raw.Control(func(socket uintptr) {
		who, failure = unix.GetsockoptUcred(int(socket), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, failure); err != nil {
		return nil, 0, err
	}
	p, err = pidfd.FromPeer(raw) // not by the PID, which may be of another process by now
	return p, who.Uid, err
}

func TestPeer(t *testing.T) {
	p, uid, err := peer(socketpair(t)[0])
	systest.SkipUnsupported(t, err, 6, 5)
	defer p.Close()
	assert.Equal(t, os.Getpid(), p.PID())
	assert.EqualValues(t, os.Geteuid(), uid)
}

// stdoutOf duplicates the standard output of a process, which does not take part.
func stdoutOf(p *pidfd.PidFD) (*os.File, error) {
	f, err := p.GetFD(1) // by the right to ptrace(2) it
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.File("stdout")
}

func TestStdoutOf(t *testing.T) {
	systest.NeedCall(t, "pidfd_getfd(2)", unix.SYS_PIDFD_GETFD)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := exec.Command("sleep", "100")
	cmd.Stdout = w
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	defer p.Close()
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = p.SendSignal(unix.SIGKILL) }()
	out, err := stdoutOf(p)
	systest.SkipUnsupported(t, err, 5, 6)
	defer out.Close()
	_, err = out.WriteString("x")
	require.NoError(t, err)
	got := make([]byte, 1)
	_, err = r.Read(got)
	require.NoError(t, err)
	assert.Equal(t, "x", string(got))
}

// The numbers of a process are its own; what they stand for is shared.
func Example_shared() {
	m, err := memfd.New("shared")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	other, err := m.Dup()
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()

	_, _ = m.Write([]byte("seven b"))
	at, _ := other.Seek(0, io.SeekCurrent)
	fmt.Println("the file offset:", at)
	_ = m.FD().SetNonblock(true)
	nonblock, _ := other.FD().Nonblock()
	fmt.Println("O_NONBLOCK:", nonblock)
	_ = m.FD().SetCloexec(false)
	cloexec, _ := other.FD().Cloexec()
	fmt.Println("close-on-exec is still set:", cloexec)
	// Output:
	// the file offset: 7
	// O_NONBLOCK: true
	// close-on-exec is still set: true
}
