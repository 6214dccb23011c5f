package fd_test

import (
	"context"
	"fmt"
	"log"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A pipe between two goroutines: the reader parks until there is something.
func Example() {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		log.Fatal(err)
	}
	r, w := fd.New(p[0]), fd.New(p[1])
	defer r.Close()
	go func() {
		defer w.Close()
		fmt.Fprint(w, "hello")
	}()

	buf := make([]byte, 16)
	n, err := r.ReadContext(context.Background(), buf)
	fmt.Printf("%s %v\n", buf[:n], err)
	_, err = r.ReadContext(context.Background(), buf)
	fmt.Println(err)
	// Output:
	// hello <nil>
	// EOF
}

// A Pin keeps a number open that the kernel uses for longer than a call.
func ExampleFD_Pin() {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		log.Fatal(err)
	}
	r, w := fd.New(p[0]), fd.New(p[1])
	defer r.Close()
	defer w.Close()

	pin, err := r.Pin()
	if err != nil {
		log.Fatal(err)
	}
	defer pin.Unpin()
	_, _ = w.Write([]byte("x"))
	fds := []unix.PollFd{{Fd: int32(pin.Number()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 1000)
	for err == unix.EINTR {
		n, err = unix.Poll(fds, 1000)
	}
	fmt.Println(n, err)
	// Output: 1 <nil>
}

// WaitRead turns every call that returns ErrWouldBlock into a waiting call: here
// accept4(2) on a listening socket.
func ExampleWaitRead() {
	number, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	listener := fd.New(number)
	defer listener.Close()
	// The name is empty, so the kernel chooses one.
	if err := unix.Bind(number, &unix.SockaddrUnix{}); err != nil {
		log.Fatal(err)
	}
	if err := unix.Listen(number, 1); err != nil {
		log.Fatal(err)
	}
	address, err := unix.Getsockname(number)
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() {
		client, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		defer func() { done <- unix.Close(client) }()
		_ = unix.Connect(client, address)
	}()

	conn, err := fd.WaitRead(context.Background(), listener, func() (*fd.FD, error) {
		var accepted int
		err := listener.Control(func(number int) (err error) {
			accepted, _, err = unix.Accept4(number, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err == unix.EAGAIN {
				err = fd.ErrWouldBlock
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return fd.New(accepted), nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println("accepted", conn.Valid(), <-done)
	// Output: accepted true <nil>
}
