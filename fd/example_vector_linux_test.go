package fd_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A message is a header and a body. One call writes both, without a copy.
func ExampleFD_Writev() {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	a, b := fd.NewNonblock(pair[0]), fd.NewNonblock(pair[1])
	defer a.Close()
	defer b.Close()

	body := []byte("hello")
	header := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	n, err := a.Writev([][]byte{header, body})
	fmt.Println(n, err)

	message := make([]byte, 64)
	n, err = b.Read(message)
	fmt.Printf("%q %v\n", message[:n], err)
	// Output:
	// 9 <nil>
	// "\x00\x00\x00\x05hello" <nil>
}

// One call reads a header and what fits of the body into two buffers.
func ExampleFD_Readv() {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	a, b := fd.NewNonblock(pair[0]), fd.NewNonblock(pair[1])
	defer a.Close()
	defer b.Close()
	if _, err := a.Write([]byte("\x00\x00\x00\x05hello")); err != nil {
		log.Fatal(err)
	}

	header, body := make([]byte, 4), make([]byte, 1024)
	n, err := b.Readv([][]byte{header, body})
	if err != nil || n < len(header) {
		log.Fatal(n, err)
	}
	fmt.Printf("%d %s\n", binary.BigEndian.Uint32(header), body[:n-len(header)])

	_, err = b.Readv([][]byte{header, body})
	fmt.Println(err == fd.ErrWouldBlock)
	// Output:
	// 5 hello
	// true
}

// An FD is an io.ReaderAt, so a part of a file can be read as a file.
func ExampleFD_ReadAt() {
	file, err := os.CreateTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	f, err := fd.FromFile(file)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	_ = file.Close()
	fmt.Fprint(f, "first second third")

	word := make([]byte, 6)
	n, err := f.ReadAt(word, 6)
	fmt.Printf("%s %v\n", word[:n], err)
	n, err = f.ReadAt(word, 13)
	fmt.Printf("%s %v\n", word[:n], err)
	rest, err := io.ReadAll(io.NewSectionReader(f, 6, 100))
	fmt.Printf("%s %v\n", rest, err)
	// Output:
	// second <nil>
	// third EOF
	// second third <nil>
}

// Goroutines that write to different places of a file need no lock.
func ExampleFD_WriteAt() {
	file, err := os.CreateTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	f, err := fd.FromFile(file)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	_ = file.Close()

	const size = 4
	done := make(chan error)
	for i := range 3 {
		go func() {
			record := fmt.Sprintf("<%02d>", i)
			_, err := f.WriteAt([]byte(record), int64(i*size))
			done <- err
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			log.Fatal(err)
		}
	}
	content, err := io.ReadAll(f) // the file offset has not moved
	fmt.Printf("%s %v\n", content, err)
	// Output: <00><01><02> <nil>
}

// A client that has sent its request says so, and still reads the answer.
func ExampleFD_Shutdown() {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	client, server := fd.New(pair[0]), fd.New(pair[1])
	defer client.Close()
	go func() {
		defer server.Close()
		request, _ := io.ReadAll(server) // until the end of file
		fmt.Fprintf(server, "%d bytes", len(request))
	}()

	fmt.Fprint(client, "a request")
	if err := client.Shutdown(unix.SHUT_WR); err != nil {
		log.Fatal(err)
	}
	answer, err := io.ReadAll(client)
	fmt.Printf("%s %v\n", answer, err)
	_, err = client.Write([]byte("more"))
	fmt.Println(err)
	// Output:
	// 9 bytes <nil>
	// write: broken pipe
}
