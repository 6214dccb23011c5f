package fd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// Inotify is a handle of an inotify(7) instance, which reports events of files. A
// package outside this module would export it: an FD by value, constructors, calls of
// its own, and the FD for all other calls. The zero Inotify is closed.
type Inotify struct{ fd fd.FD }

func NewInotify() (*Inotify, error) {
	number, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	in := new(Inotify)
	// Its reads return at once in non-blocking mode, and no other process has it.
	return in, in.fd.Take(fd.NewNonblock(number))
}

// InotifyFromFD takes over a descriptor that was inherited or received. It fails for
// any other kind of object. Then f keeps its descriptor and its flags: Adopt undoes what
// setup has changed.
func InotifyFromFD(f *fd.FD) (*Inotify, error) {
	in := new(Inotify)
	err := in.fd.Adopt(f, func(number int) error {
		// The kernel looks at the kind of the descriptor before it looks for the path.
		if _, err := unix.InotifyAddWatch(number, "", unix.IN_CREATE); err != unix.ENOENT {
			return fmt.Errorf("descriptor %d is not an inotify instance: %w", number, err)
		}
		return os.NewSyscallError("fcntl", unix.SetNonblock(number, true))
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (in *Inotify) Close() error { return in.fd.Close() }
func (in *Inotify) Fd() int      { return in.fd.Fd() }
func (in *Inotify) FD() *fd.FD   { return &in.fd }

// String returns "inotify 7", or "inotify closed".
func (in *Inotify) String() string {
	if number := in.Fd(); number >= 0 {
		return fmt.Sprintf("inotify %d", number)
	}
	return "inotify closed"
}

// Dup returns a handle for the same instance. An event goes to one of the two.
func (in *Inotify) Dup() (*Inotify, error) {
	f, err := in.fd.Dup()
	if err != nil {
		return nil, err
	}
	dup := new(Inotify)
	return dup, dup.fd.Take(f)
}

// Watch is inotify_add_watch(2). Control keeps the number open for a call that FD
// does not have. The file system may block, and a signal may interrupt it then.
func (in *Inotify) Watch(path string, mask uint32) (watch int, err error) {
	err = in.fd.Control(func(number int) error {
		for err = unix.EINTR; err == unix.EINTR; {
			watch, err = unix.InotifyAddWatch(number, path, mask)
		}
		return os.NewSyscallError("inotify_add_watch", err)
	})
	return watch, err
}

// Pending returns how many bytes of events there are: FIONREAD of ioctl(2), which x/sys
// calls TIOCINQ. It uses the syscall.RawConn that other packages ask for.
func (in *Inotify) Pending() (n int, err error) {
	conn, err := in.fd.SyscallConn()
	if err != nil {
		return 0, err
	}
	var pending uint32
	var ioctl error
	err = conn.Control(func(number uintptr) { pending, ioctl = unix.IoctlGetUint32(int(number), unix.TIOCINQ) })
	if err == nil {
		err = os.NewSyscallError("ioctl", ioctl)
	}
	return int(pending), err
}

type Event struct {
	Watch int
	Mask  uint32
	Name  string
}

// Events waits until something happens, ctx ends or the instance is closed. ReadContext
// retries after EINTR. If the kernel reports an error or a hang-up (POLLERR, POLLHUP),
// ReadContext makes the read, which returns its cause. An inotify instance has neither. If
// a file is deleted, the last event of its watch is IN_IGNORED.
func (in *Inotify) Events(ctx context.Context) ([]Event, error) {
	buf := make([]byte, 4096)
	n, err := in.fd.ReadContext(ctx, buf)
	if err != nil {
		return nil, err
	}
	var events []Event
	for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
		u32 := binary.NativeEndian.Uint32
		end := unix.SizeofInotifyEvent + u32(b[12:])
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
		events = append(events, Event{int(int32(u32(b))), u32(b[4:]), string(name)})
		b = b[end:]
	}
	return events, nil
}

var _ fd.PollCloser = (*Inotify)(nil)

// A handle of your own: see Inotify in the source of this example.
func ExampleFD_kit() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	in, err := NewInotify()
	if err != nil {
		log.Fatal(err)
	}
	defer in.Close()
	if _, err := in.Watch(dir, unix.IN_CREATE); err != nil {
		log.Fatal(err)
	}

	go func() {
		_ = os.WriteFile(filepath.Join(dir, "hello"), nil, 0o600)
	}()
	events, err := in.Events(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(events[0].Name, events[0].Mask == unix.IN_CREATE)

	n, err := in.Pending()
	fmt.Println(n, err)

	dup, err := in.Dup()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(dup.Fd() != in.Fd(), dup.Close())

	again, err := InotifyFromFD(in.FD())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(in, again.Close(), again)
	_, err = again.Events(context.Background())
	fmt.Println(err)

	pipe := make([]int, 2)
	if err := unix.Pipe2(pipe, unix.O_CLOEXEC); err != nil {
		log.Fatal(err)
	}
	r, w := fd.New(pipe[0]), fd.New(pipe[1])
	defer w.Close()
	_, err = InotifyFromFD(r)
	fmt.Println(err != nil, r.Valid(), r.Close())
	// Output:
	// hello true
	// 0 <nil>
	// true <nil>
	// inotify closed <nil> inotify closed
	// iofd: the descriptor is closed
	// true true <nil>
}
