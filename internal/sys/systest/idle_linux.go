package systest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Idle returns when no thread of the process ran in most of 50 samples, taken at intervals of
// 5 ms.
func Idle(t testing.TB, pid int) {
	t.Helper()
	const samples = 50
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		running := 0
		for range samples {
			time.Sleep(5 * time.Millisecond)
			if runs(t, pid) {
				running++
			}
		}
		if running <= samples/2 {
			return
		}
	}
	t.Fatal("process ", pid, " keeps running")
}

// runs reports whether a thread of the process is running.
func runs(t testing.TB, pid int) bool {
	t.Helper()
	stats, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatal("no threads of process ", pid, " in /proc: ", err)
	}
	for _, path := range stats {
		text, _ := os.ReadFile(path) // fails if the thread has ended
		if strings.HasPrefix(string(text[bytes.LastIndexByte(text, ')')+1:]), " R ") {
			return true
		}
	}
	return false
}
