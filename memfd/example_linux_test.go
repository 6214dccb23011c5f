package memfd_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"os/exec"

	"code.hybscloud.com/iofd/memfd"
)

func Example() {
	m, err := memfd.New("scratch")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	fmt.Fprintf(m, "hello, %s", "world")
	if _, err := m.Seek(7, io.SeekStart); err != nil {
		log.Fatal(err)
	}
	rest, err := io.ReadAll(m)
	if err != nil {
		log.Fatal(err)
	}
	size, err := m.Size()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d bytes in all\n", rest, size)
	// Output: world, 12 bytes in all
}

func ExampleNewSealed() {
	m, err := memfd.NewSealed("config", []byte("colour: blue"))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	mapping, err := m.Map(0, 12, memfd.ReadOnly)
	if err != nil {
		log.Fatal(err)
	}
	defer mapping.Close()
	fmt.Printf("%s\n", mapping.Bytes())

	_, err = m.WriteAt([]byte("red "), 8)
	fmt.Println(errors.Is(err, fs.ErrPermission))
	// Output:
	// colour: blue
	// true
}

func ExampleMemFD_Map() {
	m, err := memfd.New("shared")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := m.Truncate(1 << 20); err != nil {
		log.Fatal(err)
	}
	mapping, err := m.Map(0, 1<<20, memfd.ReadWrite)
	if err != nil {
		log.Fatal(err)
	}
	defer mapping.Close()

	copy(mapping.Bytes()[1000:], "by way of memory")
	p := make([]byte, 16)
	if _, err := m.ReadAt(p, 1000); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", p)
	// Output: by way of memory
}

func ExampleMemFD_Seal() {
	m, err := memfd.New("growing", memfd.AllowSealing)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := m.Seal(memfd.SealShrink); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Truncate(1 << 20))
	fmt.Println(m.Truncate(0))
	// Output:
	// <nil>
	// iofd: memfd: Truncate: the file is sealed against it (shrink): ftruncate: operation not permitted
}

func ExampleMemFD_PunchHole() {
	m, err := memfd.New("ring")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Write([]byte("done, open")); err != nil {
		log.Fatal(err)
	}

	// Free the memory of the part that is done.
	if err := m.PunchHole(0, 6); err != nil {
		log.Fatal(err)
	}
	text := make([]byte, 10)
	if _, err := m.ReadAt(text, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", text)
	// Output: "\x00\x00\x00\x00\x00\x00open"
}

func ExampleMemFD_Immutable() {
	m, err := memfd.New("table", memfd.AllowSealing)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for _, seals := range []memfd.Seal{memfd.SealShrink | memfd.SealGrow, memfd.SealFutureWrite, memfd.SealWrite} {
		if err := m.Seal(seals); err != nil {
			log.Fatal(err)
		}
		immutable, err := m.Immutable()
		fmt.Println(seals, immutable, err)
	}
	// Output:
	// shrink|grow false <nil>
	// future_write false <nil>
	// write true <nil>
}

// A key in memory that only this process sees, or in plain memory
// where the kernel has no secret memory.
func ExampleNewSecret() {
	m, err := memfd.NewSecret()
	if errors.Is(err, errors.ErrUnsupported) {
		m, err = memfd.New("key")
	}
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := m.Truncate(32); err != nil {
		log.Fatal(err)
	}
	key, err := m.Map(0, 32, memfd.ReadWrite)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	if _, err := rand.Read(key.Bytes()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(key.Bytes()), "bytes")
	// Output: 32 bytes
}

func ExampleMemFD_ReopenReadOnly() {
	m, err := memfd.New("log")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	reader, err := m.ReopenReadOnly()
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()

	fmt.Fprint(m, "written on")
	text, err := io.ReadAll(reader)
	fmt.Printf("%s, %v\n", text, err)
	_, err = reader.Write([]byte("x"))
	fmt.Println(err)
	// Output:
	// written on, <nil>
	// write: bad file descriptor
}

// A server hands out a file that its client need not copy before it parses it,
// although it does not trust the server.
func ExampleReceiveFrom() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	address := &net.UnixAddr{Name: dir + "/socket", Net: "unix"}
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error)
	go func() {
		served <- func() error {
			conn, err := listener.AcceptUnix()
			if err != nil {
				return err
			}
			defer conn.Close()
			m, err := memfd.NewSealed("answer", []byte("forty-two"))
			if err != nil {
				return err
			}
			defer m.Close()
			return m.SendTo(conn)
		}()
	}()

	conn, err := net.DialUnix("unix", nil, address)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	m, err := memfd.ReceiveFrom(conn, memfd.SealWrite|memfd.SealShrink|memfd.SealGrow)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	size, err := m.Size()
	if err != nil || size > 1<<20 {
		log.Fatal("too large, or ", err)
	}
	text, err := m.Map(0, int(size), memfd.ReadOnly)
	if err != nil {
		log.Fatal(err)
	}
	defer text.Close()
	fmt.Printf("%s: %s, %v\n", m.Name(), text.Bytes(), <-served)
	// Output: answer: forty-two, <nil>
}

// A child gets the file as descriptor 3, where a Go program would take it by
// memfd.FromFD(fd.New(3)).
func ExampleMemFD_File() {
	m, err := memfd.NewSealed("input", []byte("for the child"))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	file, err := m.File(m.Name())
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()

	cmd := exec.Command("cat", "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{file}
	out, err := cmd.Output()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", out)
	// Output: for the child
}

func ExampleMemFD_Start() {
	m, err := memfd.New("greet", memfd.Executable, memfd.AllowSealing)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if _, err := m.WriteAt([]byte("#!/bin/sh\necho hello, $1\n"), 0); err != nil {
		log.Fatal(err)
	}
	if err := m.Seal(memfd.SealWrite | memfd.SealGrow | memfd.SealShrink); err != nil {
		log.Fatal(err)
	}

	cmd := exec.Command("greet", "world")
	cmd.Stdout = os.Stdout
	if err := m.Start(cmd); err != nil {
		log.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		log.Fatal(err)
	}
	// Output: hello, world
}

// A message of another process says where its state is. The offset may be wrong, so the
// result may be nil.
func ExampleMapping_Uint32() {
	m, memory, err := memfd.NewShared("states", 4096)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	defer memory.Close()

	const idle, taken = 0, 1
	for _, off := range []int{64, 64, 65, 4096} {
		state := memory.Uint32(off)
		if state == nil {
			fmt.Println(off, "is not the offset of a state")
			continue
		}
		fmt.Println(off, state.CompareAndSwap(idle, taken))
	}
	// Output:
	// 64 true
	// 64 false
	// 65 is not the offset of a state
	// 4096 is not the offset of a state
}

// A server counts in shared memory, and a monitor maps the counters for reading.
func ExampleMapping_Uint64() {
	m, counters, err := memfd.NewShared("counters", 4096)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	defer counters.Close()
	monitor, err := m.Map(0, 4096, memfd.ReadOnly)
	if err != nil {
		log.Fatal(err)
	}
	defer monitor.Close()

	const requests, bytes = 0, 64 // offsets, in two cache lines
	for _, n := range []uint64{100, 250, 1 << 33} {
		counters.Uint64(requests).Add(1)
		counters.Uint64(bytes).Add(n)
	}
	fmt.Println(monitor.Uint64(requests).Load(), monitor.Uint64(bytes).Load())
	// Output: 3 8589934942
}

// A table that answers every look-up without a page fault.
func ExampleMapping_Advise() {
	m, table, err := memfd.NewShared("table", 1<<20)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	defer table.Close()
	if err := table.Advise(memfd.DontDump); err != nil {
		log.Fatal(err)
	}
	err = table.Advise(memfd.Populate)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) { // before Linux 5.14
		log.Fatal(err)
	}
	copy(table.Bytes()[1<<19:], "entry")
	fmt.Printf("%s\n", table.Bytes()[1<<19:1<<19+5])
	// Output: entry
}

// The memory for a file is there before the file is filled, or there is an error.
func ExampleMemFD_Allocate() {
	m, err := memfd.New("frame", memfd.AllowSealing)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := m.Allocate(0, 1<<20); err != nil {
		log.Fatal(err)
	}
	size, err := m.Size()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(size)

	if err := m.Seal(memfd.SealGrow); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Allocate(1<<20, 1))
	// Output:
	// 1048576
	// iofd: memfd: Allocate: the file is sealed against it (grow): fallocate: operation not permitted
}
