// Command init is the first process of the virtual machines that test/kernels boots:
// it runs the jobs that it finds in /jobs.json and powers the machine off.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/kernels/internal/job"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("init:", err)
	}
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("init: reboot:", err)
	}
}

// mounts are the file systems that the tests need. The kernels have no other file
// system built in.
var mounts = []struct{ source, target, data string }{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"devpts", "/dev/pts", "ptmxmode=0666"},
	{"tmpfs", "/dev/shm", ""},
	{"tmpfs", "/tmp", ""},
	{"cgroup2", "/sys/fs/cgroup", ""},
}

func run() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.source, m.target, m.source, 0, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if err := os.Chmod("/tmp", 0o1777); err != nil {
		return err
	}
	for name, value := range map[string]string{"PATH": "/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "KERNELS_VM": "1"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if err := loopback(); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	// Nothing but a panic may come between the lines of the tests.
	if err := os.WriteFile("/proc/sys/kernel/printk", []byte("1 4 1 1"), 0); err != nil {
		return err
	}
	text, err := os.ReadFile("/jobs.json")
	if err != nil {
		return err
	}
	var jobs []job.Job
	if err := json.Unmarshal(text, &jobs); err != nil {
		return err
	}
	for _, j := range jobs {
		j.Run(context.Background(), os.Stdout)
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	job.Done(os.Stdout, unix.ByteSliceToString(name.Release[:]))
	return nil
}

// loopback brings the loopback interface up, which has its address by itself.
func loopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}
