//go:build downstream

package downstream

// go.mod requires these modules although no package of this module imports them. The
// patched copies of the programs and their tests do.
import (
	_ "code.hybscloud.com/iofd/eventfd"
	_ "code.hybscloud.com/iofd/fd"
	_ "code.hybscloud.com/iofd/pidfd"
	_ "github.com/cilium/ebpf"
	_ "github.com/cloudwego/netpoll"
	_ "github.com/containerd/containerd/v2/pkg/sys"
	_ "github.com/fsnotify/fsnotify"
	_ "github.com/go-quicktest/qt"
	_ "github.com/opencontainers/runc/libcontainer"
	_ "github.com/panjf2000/gnet/v2"
)
