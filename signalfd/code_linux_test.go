package signalfd_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/signalfd"
)

// The codes print as the manual names them: those of one signal only beside it.
func TestCodes(t *testing.T) {
	for code, name := range map[signalfd.Code]string{
		signalfd.CodeUser:    "SI_USER",
		signalfd.CodeKernel:  "SI_KERNEL",
		signalfd.CodeQueue:   "SI_QUEUE",
		signalfd.CodeTimer:   "SI_TIMER",
		signalfd.CodeMessage: "SI_MESGQ",
		signalfd.CodeAsyncIO: "SI_ASYNCIO",
		signalfd.CodeSigIO:   "SI_SIGIO",
		signalfd.CodeTkill:   "SI_TKILL",
	} {
		assert.Equal(t, name, code.String())
		assert.Contains(t, signalfd.Info{Signal: unix.SIGCHLD, Code: code}.String(), "SIGCHLD "+name)
	}
	for code, name := range map[signalfd.Code]string{
		signalfd.CodeExited:    "CLD_EXITED",
		signalfd.CodeKilled:    "CLD_KILLED",
		signalfd.CodeDumped:    "CLD_DUMPED",
		signalfd.CodeTrapped:   "CLD_TRAPPED",
		signalfd.CodeStopped:   "CLD_STOPPED",
		signalfd.CodeContinued: "CLD_CONTINUED",
	} {
		assert.Contains(t, signalfd.Info{Signal: unix.SIGCHLD, Code: code}.String(), "SIGCHLD "+name)
		assert.NotContains(t, signalfd.Info{Signal: unix.SIGUSR1, Code: code}.String(), name)
	}
}

func TestUnblockableError(t *testing.T) {
	for sigs, advice := range map[syscall.Signal]string{
		unix.SIGHUP:  "New reads them",
		unix.SIGKILL: "not the program's",
	} {
		err := &signalfd.UnblockableError{Signals: signalfd.NewSet(sigs)}
		assert.Contains(t, err.Error(), unix.SignalName(sigs))
		assert.Contains(t, err.Error(), advice)
		assert.Equal(t, unix.EINVAL, err.Unwrap())
	}
}
