package memfd_test

import (
	"fmt"
	"log"
	"os"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

// Two processes square the numbers up to 1000. The first word of the memory is the last
// number that one of them has taken. The second word is the sum.
func ExampleNewShared() {
	m, memory, err := memfd.NewShared("squares", 8)
	if err != nil {
		log.Fatal(err)
	}
	defer memory.Close()
	file, err := m.File("squares") // a duplicate for the child
	if err != nil {
		log.Fatal(err)
	}
	_ = m.Close() // the mapping stays

	child := inChild("work") // a command that calls work, below
	child.ExtraFiles = []*os.File{file}
	if err := child.Start(); err != nil {
		log.Fatal(err)
	}
	_ = file.Close()
	square(memory)
	if err := child.Wait(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(memory.Uint32(4).Load())
	// Output: 333833500
}

// work is the child. It has the file as descriptor 3.
func work() {
	m, err := memfd.FromFD(fd.New(3))
	if err != nil {
		log.Fatal(err)
	}
	memory, err := m.Map(0, 8, memfd.ReadWrite)
	if err != nil {
		log.Fatal(err)
	}
	square(memory)
}

func square(memory *memfd.Mapping) {
	last, sum := memory.Uint32(0), memory.Uint32(4)
	for n := last.Add(1); n <= 1000; n = last.Add(1) {
		sum.Add(n * n)
	}
}
