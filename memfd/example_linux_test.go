package memfd_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
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
	// ftruncate: operation not permitted
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
