//go:build amd64 || arm64 || riscv64 || loong64

package unmask

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Supported reports whether this processor has the program.
const Supported = true

// Numbers are the descriptor numbers in the process that executes the program.
type Numbers struct {
	Errors  int32 // takes the error of execve(2) as a 32-bit integer
	Program int32 // the file of the program itself
	Target  int32 // an additional descriptor, or -1
}

// NewFile returns an anonymous executable file without content, close-on-exec, for
// [Write].
func NewFile() (*os.File, error) {
	const name, flags = "iofd-unmask", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	number, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC) // since Linux 6.3
	if errors.Is(err, unix.EINVAL) {
		number, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(number), name), nil
}

// Write makes file the program that executes path, and seals it. The program:
//
//  1. empties the signal mask of the process
//  2. marks the descriptors in numbers close-on-exec
//  3. calls execve(2) for path, with its own arguments and environment
//
// If the mask or execve(2) fails, the program writes the error number to
// numbers.Errors and exits with status 127. If numbers.Errors is not open, it exits
// with status 127 and executes nothing. The path has no NUL byte.
func Write(file *os.File, numbers Numbers, path string) error {
	if _, err := file.Write(program(numbers, path)); err != nil {
		return err
	}
	_, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	return os.NewSyscallError("fcntl", err)
}

// The file is a header, struct data, the path with a NUL byte, and the machine code.
// All of it is one segment at this address, read-only and executable. The machine code
// contains the address of struct data.
const address = 0x400000

// header is Elf64_Ehdr and two Elf64_Phdr, see elf(5).
type header struct {
	Ident                                                [16]byte
	Type, Machine                                        uint16
	Version                                              uint32
	Entry, Phoff, Shoff                                  uint64
	Flags                                                uint32
	Ehsize, Phentsize, Phnum, Shentsize, Shnum, Shstrndx uint16
	Load, Stack                                          segment
}

type segment struct {
	Type, Flags                                uint32
	Offset, Vaddr, Paddr, Filesz, Memsz, Align uint64
}

type data struct {
	Numbers
	_    int32
	Mask uint64
}

// The machine code depends on these sizes.
var (
	_ [0xB0]byte = [unsafe.Sizeof(header{})]byte{}
	_ [24]byte   = [unsafe.Sizeof(data{})]byte{}
)

// program returns the ELF file.
func program(numbers Numbers, path string) []byte {
	const (
		executable, load, stack       = 2, 1, 0x6474e551 // ET_EXEC, PT_LOAD, PT_GNU_STACK
		mayExecute, mayWrite, mayRead = 1, 2, 4          // PF_X, PF_W, PF_R
		largestPage                   = 1 << 16
	)
	text := code()
	h := header{
		Ident:   [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, // 64 bits, little-endian
		Type:    executable,
		Machine: machines[runtime.GOARCH],
		Version: 1,
		Phoff:   64, Ehsize: 64, Phentsize: 56, Phnum: 2,
		Load:  segment{Type: load, Flags: mayRead | mayExecute, Vaddr: address, Paddr: address, Align: largestPage},
		Stack: segment{Type: stack, Flags: mayRead | mayWrite},
	}
	start := (binary.Size(h) + binary.Size(data{}) + len(path) + 1 + 15) &^ 15
	h.Entry = address + uint64(start)
	h.Load.Filesz = uint64(start + len(text))
	h.Load.Memsz = h.Load.Filesz

	var file bytes.Buffer // its Write does not fail
	_ = binary.Write(&file, binary.LittleEndian, h)
	_ = binary.Write(&file, binary.LittleEndian, data{Numbers: numbers})
	file.WriteString(path)
	file.Write(make([]byte, start-file.Len()))
	file.Write(text)
	return file.Bytes()
}

// machines are the values of e_machine.
var machines = map[string]uint16{"amd64": 62, "arm64": 183, "riscv64": 243, "loong64": 258}

// codeStart returns the address of the machine code. The code is position-independent.
// It ends with codeEnd, which is not executed.
func codeStart() unsafe.Pointer

const codeEnd = "iofd end"

// code returns the machine code. The linker may place functions in any order, so the
// code marks its own end.
func code() []byte {
	start := (*byte)(codeStart())
	for n := 0; ; n++ {
		if text := unsafe.Slice(start, n+len(codeEnd)); string(text[n:]) == codeEnd {
			return text[:n]
		}
	}
}
