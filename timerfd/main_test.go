//go:build linux

package timerfd_test

import (
	"testing"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { systest.Main(m) }
