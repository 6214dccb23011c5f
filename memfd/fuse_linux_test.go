package memfd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// The requests of FUSE to a file system, see fuse(4) and the kernel's linux/fuse.h.
const (
	fuseLookup  = 1
	fuseForget  = 2
	fuseGetattr = 3
	fuseOpen    = 14
	fuseRelease = 18
	fuseFlush   = 25
	fuseInit    = 26
)

// The structs of linux/fuse.h that are read and written here.
type (
	fuseInHeader struct {
		Len, Opcode              uint32
		Unique, Node             uint64
		UID, GID, PID, Extension uint32
	}
	fuseOutHeader struct {
		Len    uint32
		Error  int32
		Unique uint64
	}
	fuseAttr struct {
		Ino, Size, Blocks, Atime, Mtime, Ctime                                     uint64
		AtimeNs, MtimeNs, CtimeNs, Mode, Links, UID, GID, Device, BlockSize, Flags uint32
	}
	fuseEntry struct {
		Node, Generation, EntryValid, AttrValid uint64
		EntryValidNs, AttrValidNs               uint32
		Attr                                    fuseAttr
	}
	fuseAttributes struct {
		AttrValid          uint64
		AttrValidNs, Dummy uint32
		Attr               fuseAttr
	}
	fuseOpened struct {
		Handle       uint64
		Flags, Dummy uint32
	}
	fuseStart struct {
		Major, Minor, Readahead, Flags uint32
		Background, Congestion         uint16
		MaxWrite, Granularity          uint32
		Rest                           [9]uint32
	}
)

// A fileSystem has one file, and records the requests that it gets. The kernel caches
// none of its answers, so every access to the file is a request.
type fileSystem struct {
	device *os.File
	mu     sync.Mutex
	asked  []uint32 // opcodes
}

// mountFUSE opens a file of a given name on a file system of the test's own. No other
// process sees that file system.
func mountFUSE(t *testing.T, name string) (number int, fs *fileSystem) {
	t.Helper()
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR|unix.O_CLOEXEC, 0)
	systest.Need(t, "FUSE", err)
	fs = &fileSystem{device: device}
	system, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		require.NoError(t, device.Close())
		systest.Need(t, "FUSE", os.NewSyscallError("fsopen", err))
	}
	for key, value := range map[string]string{
		"fd": fmt.Sprint(device.Fd()), "rootmode": "40000", "user_id": "0", "group_id": "0",
	} {
		require.NoError(t, unix.FsconfigSetString(system, key, value), key)
	}
	require.NoError(t, unix.FsconfigCreate(system))
	mount, err := unix.Fsmount(system, unix.FSMOUNT_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Close(system))

	served := make(chan error, 1)
	go func() { served <- fs.serve() }()
	number, err = unix.Openat(mount, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, unix.Close(number))
		require.NoError(t, unix.Close(mount)) // the last reference: it is unmounted
		// If serve has just taken a request then, for example to release the file, its
		// answer fails with ECONNABORTED.
		require.Contains(t, []error{unix.ENODEV, unix.ECONNABORTED}, <-served)
		require.NoError(t, device.Close())
	})
	fs.requests()
	return number, fs
}

// requests returns the requests since the last call.
func (fs *fileSystem) requests() []uint32 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	asked := fs.asked
	fs.asked = nil
	return asked
}

// serve answers until the file system is unmounted.
func (fs *fileSystem) serve() error {
	p := make([]byte, 1<<17)
	for {
		n, err := unix.Read(int(fs.device.Fd()), p)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		var in fuseInHeader
		if _, err := binary.Decode(p[:n], binary.NativeEndian, &in); err != nil {
			return err
		}
		fs.mu.Lock()
		fs.asked = append(fs.asked, in.Opcode)
		fs.mu.Unlock()

		attr := fuseAttr{Ino: in.Node, Mode: unix.S_IFDIR | 0o777, Links: 1}
		file := fuseAttr{Ino: 2, Mode: unix.S_IFREG | 0o666, Links: 1}
		if in.Node == file.Ino {
			attr = file
		}
		out := fuseOutHeader{Unique: in.Unique}
		var body any
		switch in.Opcode {
		case fuseInit:
			body = fuseStart{Major: 7, Minor: 31, MaxWrite: 1 << 16}
		case fuseLookup:
			body = fuseEntry{Node: file.Ino, Attr: file}
		case fuseGetattr:
			body = fuseAttributes{Attr: attr}
		case fuseOpen:
			body = fuseOpened{}
		case fuseFlush, fuseRelease:
		case fuseForget:
			continue // has no answer
		default:
			out.Error = -int32(unix.ENOSYS)
		}
		var answer bytes.Buffer
		out.Len = uint32(binary.Size(out))
		if body != nil {
			out.Len += uint32(binary.Size(body))
		}
		_ = binary.Write(&answer, binary.NativeEndian, out)
		if body != nil {
			_ = binary.Write(&answer, binary.NativeEndian, body)
		}
		if _, err := unix.Write(int(fs.device.Fd()), answer.Bytes()); err != nil && !errors.Is(err, unix.ENOENT) {
			return err // ENOENT: the caller of the request was interrupted
		}
	}
}

// The server of a file can answer as late as it likes. So ReceiveFrom sends no request for
// a file that is not a memfd before it refuses the file. It only closes the file.
func TestHostileFileSystem(t *testing.T) {
	for _, name := range []string{"file", "memfd:x (deleted)"} {
		t.Run(name, func(t *testing.T) {
			number, fs := mountFUSE(t, name)
			a, b := socketPair(t, unix.SOCK_STREAM)
			before := openDescriptors(t)
			send(t, a, "m", unix.UnixRights(number))
			refusedAs(t, b, unix.EINVAL, "not a memfd")
			assert.Equal(t, before, openDescriptors(t))
			assert.Equal(t, []uint32{fuseFlush}, fs.requests())
		})
	}
}
