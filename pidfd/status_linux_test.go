package pidfd_test

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

// ExitStatus and os.ProcessState report the same end.
func TestExitStatusIsThatOfProcessState(t *testing.T) {
	for _, script := range []string{
		"exit 0",
		"exit 3",
		"exit 255",
		"kill -TERM $$",
		"kill -KILL $$",
		"ulimit -c unlimited; kill -SEGV $$", // dumps core where the system lets it
		"ulimit -c 0; kill -SEGV $$",
		"i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done",
	} {
		t.Run(script, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", script)
			cmd.Dir = t.TempDir() // for the core
			p, err := pidfd.Start(cmd)
			require.NoError(t, err)
			defer p.Close()
			got := wait(t, p)
			_ = cmd.Wait()
			want := cmd.ProcessState
			status := want.Sys().(syscall.WaitStatus)

			assert.Equal(t, want.Pid(), got.PID)
			assert.Equal(t, want.ExitCode(), got.Code)
			assert.Equal(t, want.String(), got.String())
			assert.Equal(t, want.Success(), got.Success())
			assert.Equal(t, status.Exited(), got.Exited())
			assert.Equal(t, status.Signaled(), got.Signaled())
			assert.Equal(t, max(status.Signal(), 0), got.Signal)
			assert.Equal(t, status.CoreDump(), got.CoreDumped)
			// A process that can be waited for still takes the kernel some time to end.
			for _, times := range [][2]time.Duration{
				{got.UserTime(), want.UserTime()},
				{got.SystemTime(), want.SystemTime()},
			} {
				assert.LessOrEqual(t, times[0], times[1])
				assert.InDelta(t, times[1], times[0], float64(100*time.Millisecond))
			}
			assert.Positive(t, got.UserTime()+got.SystemTime())
			assert.Equal(t, int64(want.SysUsage().(*syscall.Rusage).Maxrss)*1024, got.MaxRSS())
			assert.Greater(t, got.MaxRSS(), int64(100<<10))
			assert.Less(t, got.MaxRSS(), int64(1<<30))
		})
	}
}

func TestExitStatusString(t *testing.T) {
	for want, status := range map[string]pidfd.ExitStatus{
		"exit status 0":  {},
		"exit status 3":  {Code: 3},
		"signal: killed": {Code: -1, Signal: unix.SIGKILL},
		"signal: segmentation fault (core dumped)": {Code: -1, Signal: unix.SIGSEGV, CoreDumped: true},
	} {
		assert.Equal(t, want, status.String())
	}
}
