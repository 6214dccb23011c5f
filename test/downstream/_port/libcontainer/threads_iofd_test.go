package libcontainer

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A wait for memory to run out should not keep a thread.
func TestNotifyKeepsNoThread(t *testing.T) {
	const waiters = 50
	dir := t.TempDir()
	for _, name := range []string{"memory.oom_control", "cgroup.event_control"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := threads(t)
	for range waiters {
		if _, err := notifyOnOOM(dir); err != nil {
			t.Fatal(err)
		}
	}
	// Some threads are there already, with nothing to do. The rest may take a while.
	n := 0
	for range 100 {
		if n = threads(t) - before; n > waiters/2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("%d waiters have made %d threads", waiters, n)
	if n > waiters/2 {
		t.Fail()
	}
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}
