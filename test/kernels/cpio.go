package main

import (
	"fmt"
	"io"
	"io/fs"
)

// A cpio is an archive in the "new ASCII" format, see cpio(5), which the kernel
// unpacks into its first root file system.
type cpio struct {
	w       io.Writer
	inode   int
	written int
	err     error
}

// add appends a file: mode is that of inode(7), with the type.
func (c *cpio) add(name string, mode uint32, data []byte) {
	c.inode++
	c.entry(c.inode, name, mode, data)
}

// end writes the trailer.
func (c *cpio) end() error {
	c.entry(0, "TRAILER!!!", 0, nil)
	return c.err
}

const (
	cpioFile      = 0o100000
	cpioDirectory = 0o040000
	cpioDevice    = 0o020000 // a character device
)

func (c *cpio) entry(inode int, name string, mode uint32, data []byte) {
	// The console is the one device that is needed before anything is mounted.
	major, minor := 0, 0
	if mode&^uint32(fs.ModePerm) == cpioDevice {
		major, minor = 5, 1
	}
	c.print("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name)
	c.pad()
	c.write(data)
	c.pad()
}

func (c *cpio) print(format string, args ...any) { c.write(fmt.Appendf(nil, format, args...)) }

// pad fills up to a multiple of four bytes.
func (c *cpio) pad() { c.write(make([]byte, -c.written&3)) }

func (c *cpio) write(p []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(p)
		c.written += len(p)
	}
}
