// Msan has C memory filled through an FD and read by C code, for a build with -msan.
// It fails with MemorySanitizer's report if the reads of package fd are not annotated.
package main

/*
#include <stdlib.h>

// count returns how many bytes are an x. MemorySanitizer reports a branch on a byte
// that it takes for uninitialized.
static int count(const unsigned char *p, int n) {
	for (int i = 0; i < n; i++)
		if (p[i] != 'x')
			return i;
	return n;
}
*/
import "C"

import (
	"context"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A kind is an object to read from, and what is written to it.
type kind struct {
	name string
	open func() (r, w int, err error)
	text []byte
	want int
}

func pipe() (r, w int, err error) {
	var p [2]int
	err = unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	return p[0], p[1], err
}

func socket() (r, w int, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return p[0], p[1], err
}

func eventfd() (r, w int, err error) {
	r, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		w, err = unix.FcntlInt(uintptr(r), unix.F_DUPFD_CLOEXEC, 0)
	}
	return r, w, err
}

func file() (r, w int, err error) {
	r, err = unix.MemfdCreate("msan", unix.MFD_CLOEXEC)
	if err == nil {
		w, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", r), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	return r, w, err
}

// short is a number to an eventfd, too.
var (
	short = []byte("xxxxxxxx")
	long  = make([]byte, 3*4096)
)

var reads = map[string]func(f *fd.FD, p []byte) (int, error){
	"Readv":       func(f *fd.FD, p []byte) (int, error) { return f.Readv([][]byte{p[:3], p[3:]}) },
	"Read":        (*fd.FD).Read,
	"ReadContext": func(f *fd.FD, p []byte) (int, error) { return f.ReadContext(context.Background(), p) },
	"WithContext": func(f *fd.FD, p []byte) (int, error) { return f.WithContext(context.Background()).Read(p) },
}

func main() {
	for i := range long {
		long[i] = 'x'
	}
	makers := map[string]func(int) *fd.FD{
		"New": fd.New, "NewNonblock": fd.NewNonblock,
		"shared": func(number int) *fd.FD {
			f := fd.New(number)
			d, err := f.Dup()
			check(err)
			check(d.Close())
			return f
		},
	}
	for _, k := range []kind{
		{"pipe", pipe, short, 8}, {"pipe, more than a page", pipe, long, len(long)},
		{"socket", socket, short, 8}, {"socket, more than a page", socket, long, len(long)},
		{"eventfd", eventfd, short, 8}, {"file", file, short, 8},
	} {
		for maker, open := range makers {
			for _, nonblock := range []bool{true, false} {
				if !nonblock && maker == "NewNonblock" {
					continue
				}
				for read, call := range reads {
					r, w, err := k.open()
					check(err)
					check(unix.SetNonblock(r, nonblock))
					f, to := open(r), fd.New(w)
					// C code made what is written, too.
					from := C.malloc(C.size_t(len(k.text)))
					copy(unsafe.Slice((*byte)(from), len(k.text)), k.text)
					_, err = to.Write(unsafe.Slice((*byte)(from), len(k.text)))
					check(err)
					// More than there is to read: the rest stays as it was.
					room := len(k.text) + 64
					into := C.malloc(C.size_t(room))
					n, err := call(f, unsafe.Slice((*byte)(into), room))
					check(err)
					got := int(C.count((*C.uchar)(into), C.int(n)))
					if got != k.want {
						fmt.Fprintf(os.Stderr, "%s, %s, %s: %d bytes, not %d\n", k.name, maker, read, got, k.want)
						os.Exit(1)
					}
					C.free(into)
					C.free(from)
					check(f.Close())
					check(to.Close())
				}
			}
		}
	}
	fmt.Println("no report")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
