package main

import (
	"bytes"
	"fmt"
	"io/fs"
)

// A cpio is an archive in the "new ASCII" format, see cpio(5), which the kernel
// unpacks into its first root file system.
type cpio struct {
	archive bytes.Buffer
	inode   int
}

const (
	cpioFile      = 0o100000
	cpioDirectory = 0o040000
	cpioDevice    = 0o020000 // a character device
)

// add appends a file: mode is that of inode(7), with the type.
func (c *cpio) add(name string, mode uint32, data []byte) {
	c.inode++
	// The console is the one device that is needed before anything is mounted.
	major, minor := 0, 0
	if mode&^uint32(fs.ModePerm) == cpioDevice {
		major, minor = 5, 1
	}
	fmt.Fprintf(&c.archive, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		c.inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name)
	c.pad()
	c.archive.Write(data)
	c.pad()
}

// pad fills up to a multiple of four bytes.
func (c *cpio) pad() { c.archive.Write(make([]byte, -c.archive.Len()&3)) }

// bytes ends the archive and returns it.
func (c *cpio) bytes() []byte {
	c.add("TRAILER!!!", 0, nil)
	return c.archive.Bytes()
}
