//go:build linux

package eventfd_test

import (
	"testing"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { systest.Main(m) }
