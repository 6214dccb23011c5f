module code.hybscloud.com/iofd/test/downstream

go 1.26.0

require (
	code.hybscloud.com/iofd/eventfd v0.1.0
	code.hybscloud.com/iofd/fd v0.1.0
	code.hybscloud.com/iofd/pidfd v0.1.0
	github.com/cilium/ebpf v0.22.0
	github.com/cloudwego/netpoll v0.7.2
	github.com/containerd/containerd/v2 v2.2.0
	github.com/fsnotify/fsnotify v1.10.1
	github.com/go-quicktest/qt v1.101.1-0.20240301121107-c6c8733fa1e6
	github.com/opencontainers/runc v1.5.2
	github.com/panjf2000/gnet/v2 v2.9.7
	github.com/stretchr/testify v1.12.1
)

require (
	code.hybscloud.com/iofd/iface v0.1.0 // indirect
	code.hybscloud.com/iofd/internal/sys v0.1.0 // indirect
	cyphar.com/go-pathrs v0.2.6 // indirect
	github.com/Microsoft/go-winio v0.6.2 // indirect
	github.com/aperturerobotics/protobuf-go-lite v0.14.0 // indirect
	github.com/bytedance/gopkg v0.1.1 // indirect
	github.com/checkpoint-restore/go-criu/v8 v8.3.0 // indirect
	github.com/cloudwego/gopkg v0.1.4 // indirect
	github.com/containerd/console v1.0.5 // indirect
	github.com/containerd/log v0.1.0 // indirect
	github.com/coreos/go-systemd/v22 v22.7.0 // indirect
	github.com/cyphar/filepath-securejoin v0.7.0 // indirect
	github.com/godbus/dbus/v5 v5.2.2 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/kr/pretty v0.3.1 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/moby/sys/capability v0.4.0 // indirect
	github.com/moby/sys/mountinfo v0.7.2 // indirect
	github.com/moby/sys/user v0.4.0 // indirect
	github.com/moby/sys/userns v0.2.1 // indirect
	github.com/mrunalp/fileutils v0.5.1 // indirect
	github.com/opencontainers/cgroups v0.1.0 // indirect
	github.com/opencontainers/runtime-spec v1.3.0 // indirect
	github.com/opencontainers/selinux v1.13.1 // indirect
	github.com/panjf2000/ants/v2 v2.11.3 // indirect
	github.com/rogpeppe/go-internal v1.14.1 // indirect
	github.com/seccomp/libseccomp-golang v0.12.0 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	go.uber.org/zap v1.27.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/net v0.55.0 // indirect
	golang.org/x/sync v0.20.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	gopkg.in/natefinch/lumberjack.v2 v2.2.1 // indirect
)

replace (
	code.hybscloud.com/iofd/eventfd => ../../eventfd
	code.hybscloud.com/iofd/fd => ../../fd
	code.hybscloud.com/iofd/iface => ../../iface
	code.hybscloud.com/iofd/internal/sys => ../../internal/sys
	code.hybscloud.com/iofd/pidfd => ../../pidfd
)
