package systest

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// Parked returns when a goroutine waits on the runtime's poller in a call of the function,
// which is named as in a stack trace, with the parenthesis.
func Parked(t testing.TB, function string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			state, calls, _ := strings.Cut(stack, "\n")
			if strings.Contains(state, "[IO wait") && strings.Contains(calls, function) {
				return
			}
		}
	}
	t.Fatal("no goroutine is parked in ", function)
}
