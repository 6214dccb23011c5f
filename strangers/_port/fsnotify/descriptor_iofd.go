//go:build linux && !appengine

package fsnotify

import (
	"context"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// descriptor is an inotify instance, see inotify(7).
type descriptor struct{ fd *fd.FD }

func newDescriptor() (descriptor, error) {
	number, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return descriptor{}, err
	}
	return descriptor{fd.NewNonblock(number)}, nil
}

// read waits for events.
func (d descriptor) read(p []byte) (int, error) { return d.fd.ReadContext(context.Background(), p) }

// addWatch and rmWatch pin the number: else a Close meanwhile could give it to
// another.
func (d descriptor) addWatch(path string, mask uint32) (int, error) {
	number, err := d.fd.Pin()
	if err != nil {
		return -1, err
	}
	defer d.fd.Unpin()
	return unix.InotifyAddWatch(number, path, mask)
}

func (d descriptor) rmWatch(wd uint32) (int, error) {
	number, err := d.fd.Pin()
	if err != nil {
		return -1, err
	}
	defer d.fd.Unpin()
	return unix.InotifyRmWatch(number, wd)
}

func (d descriptor) close() error { return d.fd.Close() }
