package signalfd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

func init() {
	if os.Getenv(roleVar) == "compare" {
		runtime.LockOSThread() // main runs on the first thread
	}
}

// A captured signal gives the record that the kernel writes to a signalfd, whatever
// the siginfo is. So no process can forge more than it could without a capture.
func TestRecordsAreTheKernels(t *testing.T) {
	needCapture(t)
	systest.NotEmulated(t, "the emulator changes the siginfo")
	out := output(t, self(t, "compare"))
	t.Log(out)
	assert.Contains(t, out, "the same")
}

// A forged is a signal with a siginfo that a process may queue to itself.
type forged struct {
	sig  syscall.Signal
	info [128]byte
}

// compareRecords queues each signal to this thread twice: it is first blocked and
// read from a signalfd of the kernel, then captured. It runs on the first thread,
// which may send itself every si_code.
func compareRecords() error {
	var sigs []syscall.Signal
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if s, err := signalfd.New(signalfd.NewSet(sig)); err == nil {
			sigs = append(sigs, sig)
			if err := s.Close(); err != nil {
				return err
			}
		} else if !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	var codes []int32
	for code := int32(-130); code <= 300; code++ {
		codes = append(codes, code, code-0x10000, code-0x20000, code+0x8000, code+0x10000)
	}
	codes = append(codes, -1<<31, -1<<31+6, 1<<31-1)
	random := rand.New(rand.NewPCG(1, 2))
	var cases []forged
	for _, sig := range sigs {
		for _, code := range codes {
			if testing.Short() && random.IntN(32) > 0 {
				continue
			}
			cases = append(cases, forged{sig, capturetest.Forge(sig, code, random.Uint64)})
		}
	}
	want := make([][128]byte, len(cases))
	got := make([][128]byte, len(cases))

	set := signalfd.NewSet(sigs...)
	var mask, old unix.Sigset_t
	fill(&mask, sigs...)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &mask, &old); err != nil {
		return err
	}
	kernels, err := signalfd.Open(set)
	if err != nil {
		return err
	}
	for i := range cases {
		if err := capturetest.QueueToThread(cases[i].sig, &cases[i].info); err != nil {
			return fmt.Errorf("%v %x: %w", cases[i].sig, cases[i].info[:48], err)
		}
		if _, err := kernels.FD().Read(want[i][:]); err != nil {
			return err
		}
	}
	if err := errors.Join(kernels.Close(), unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)); err != nil {
		return err
	}
	captured, err := signalfd.New(set)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline()/2)
	defer cancel()
	for i := range cases {
		if err := capturetest.QueueToThread(cases[i].sig, &cases[i].info); err != nil {
			return err
		}
		// Other signals come between, CHLD of another test's child for example.
		for {
			if _, err := captured.FD().ReadContext(ctx, got[i][:]); err != nil {
				return fmt.Errorf("%v, siginfo %x: %w", cases[i].sig, cases[i].info[:48], err)
			}
			if got[i][0] == byte(cases[i].sig) {
				break
			}
		}
	}
	for i := range cases {
		if !bytes.Equal(want[i][:], got[i][:]) {
			return fmt.Errorf("%v, siginfo\n%x:\nsignalfd\n%x\ncaptured\n%x", cases[i].sig, cases[i].info[:48], want[i], got[i])
		}
	}
	fmt.Println(len(cases), "records are the same")
	return captured.Close()
}
