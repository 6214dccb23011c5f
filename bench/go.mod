module code.hybscloud.com/iofd/bench

go 1.26.0

require (
	code.hybscloud.com/iofd/eventfd v0.1.0
	code.hybscloud.com/iofd/fd v0.1.0
	code.hybscloud.com/iofd/timerfd v0.1.0
	golang.org/x/sys v0.49.0
)

require (
	code.hybscloud.com/iofd/iface v0.1.0 // indirect
	code.hybscloud.com/iofd/internal/sys v0.1.0 // indirect
)

replace (
	code.hybscloud.com/iofd/eventfd => ../eventfd
	code.hybscloud.com/iofd/fd => ../fd
	code.hybscloud.com/iofd/iface => ../iface
	code.hybscloud.com/iofd/internal/sys => ../internal/sys
	code.hybscloud.com/iofd/timerfd => ../timerfd
)
