// Command init is the first process of the virtual machines that test/kernels boots:
// it runs the jobs that it finds in /jobs.json and powers the machine off.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/test/kernels/internal/job"
)

func main() {
	if err := try.Run(run); err != nil {
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

func run() {
	for _, m := range mounts {
		try.Check(os.MkdirAll(m.target, 0o755))
		try.Check(unix.Mount(m.source, m.target, m.source, 0, m.data))
	}
	try.Check(os.Chmod("/tmp", 0o1777))
	for name, value := range map[string]string{"PATH": "/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "KERNELS_VM": "1"} {
		try.Check(os.Setenv(name, value))
	}
	try.Check(exec.Command("/bin/busybox", "--install", "-s", "/bin").Run())
	// The loopback interface has its address by itself.
	try.Check(exec.Command("ip", "link", "set", "lo", "up").Run())
	// Nothing but a panic may come between the lines of the tests.
	try.Check(os.WriteFile("/proc/sys/kernel/printk", []byte("1 4 1 1"), 0))
	var jobs []job.Job
	try.Check(json.Unmarshal(try.Get(os.ReadFile("/jobs.json")), &jobs))
	for _, j := range jobs {
		j.Run(context.Background(), os.Stdout)
	}
	var name unix.Utsname
	try.Check(unix.Uname(&name))
	job.Done(os.Stdout, unix.ByteSliceToString(name.Release[:]))
}
