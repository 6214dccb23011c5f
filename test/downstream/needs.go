//go:build downstream

package main

// What go.mod is to hold though no package of this module imports it: the
// programs, and what their patched copies and their tests import.
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
