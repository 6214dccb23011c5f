//go:build linux && !appengine

package fsnotify

import (
	"context"
	"io"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// descriptor is an inotify instance, see inotify(7). Its Read waits for events.
type descriptor struct {
	io.Reader
	fd *fd.FD
}

func newDescriptor() (descriptor, error) {
	number, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return descriptor{}, err
	}
	f := fd.NewNonblock(number)
	return descriptor{f.WithContext(context.Background()), f}, nil
}

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

func (d descriptor) Close() error { return d.fd.Close() }
