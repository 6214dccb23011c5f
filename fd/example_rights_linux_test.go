package fd_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A program gives another one an open file. Here both are goroutines. The receiver must not
// trust the name.
func ExampleSend() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	address := &net.UnixAddr{Name: filepath.Join(dir, "socket"), Net: "unix"}
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go func() {
		c, err := net.DialUnix("unix", nil, address)
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		number, _ := unix.Open("/proc/self/comm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		f := fd.New(number)
		defer f.Close() // the receiver has a descriptor of its own
		if err := fd.Send(c, []byte("comm"), f); err != nil {
			log.Fatal(err)
		}
	}()

	c, err := listener.AcceptUnix()
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	name := make([]byte, 64)
	n, fds, err := fd.Receive(c, name, 1)
	fmt.Printf("%s %d %v\n", name[:n], len(fds), err)
	content, err := io.ReadAll(fds[0])
	fmt.Println(len(content) > 0, err, fds[0].Close())
	// Output:
	// comm 1 <nil>
	// true <nil> <nil>
}

// If a client sends more descriptors than the server allows, Receive closes all of them and
// fails. The next message can be received.
func ExampleReceive() {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, number := range pair {
		file := os.NewFile(uintptr(number), "")
		c, err := net.FileConn(file)
		if err != nil {
			log.Fatal(err)
		}
		_ = file.Close()
		conns[i] = c.(*net.UnixConn)
		defer c.Close()
	}
	client, server := conns[0], conns[1]
	null, err := fd.FromFile(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	defer null.Close()

	_ = fd.Send(client, []byte("one"), null)
	_ = fd.Send(client, []byte("three"), null, null, null)
	_ = client.Close()
	for buf := make([]byte, 64); err != io.EOF; {
		var n int
		var fds []*fd.FD
		n, fds, err = fd.Receive(server, buf, 1)
		fmt.Printf("%q with %d: %v\n", buf[:n], len(fds), err)
		for _, f := range fds {
			_ = f.Close()
		}
	}
	// Output:
	// "one" with 1: <nil>
	// "three" with 0: iofd: fd: Receive: more than 1 descriptors came: bad message
	// "" with 0: EOF
}
