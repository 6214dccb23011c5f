module code.hybscloud.com/iofd/test

go 1.26.0

require (
	code.hybscloud.com/iofd/eventfd v0.1.0
	code.hybscloud.com/iofd/fd v0.1.0
	code.hybscloud.com/iofd/internal/sys v0.1.0
	code.hybscloud.com/iofd/memfd v0.1.0
	code.hybscloud.com/iofd/pidfd v0.1.0
	code.hybscloud.com/iofd/signalfd v0.1.0
	code.hybscloud.com/iofd/timerfd v0.1.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.49.0
)

require (
	code.hybscloud.com/iofd/iface v0.1.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace (
	code.hybscloud.com/iofd/eventfd => ../eventfd
	code.hybscloud.com/iofd/fd => ../fd
	code.hybscloud.com/iofd/iface => ../iface
	code.hybscloud.com/iofd/internal/sys => ../internal/sys
	code.hybscloud.com/iofd/memfd => ../memfd
	code.hybscloud.com/iofd/pidfd => ../pidfd
	code.hybscloud.com/iofd/signalfd => ../signalfd
	code.hybscloud.com/iofd/timerfd => ../timerfd
)
