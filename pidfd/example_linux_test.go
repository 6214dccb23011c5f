package pidfd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"code.hybscloud.com/iofd/pidfd"
)

func ExampleStart() {
	cmd := exec.Command("sh", "-c", "echo working; exit 3")
	cmd.Stdout = os.Stdout
	p, err := pidfd.Start(cmd)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	status, err := p.WaitContext(ctx)
	if err != nil {
		_ = p.SendSignal(syscall.SIGKILL)
	}
	_ = cmd.Wait() // reaps, and waits for the output

	fmt.Println(status)
	// Output:
	// working
	// exit status 3
}

func ExamplePidFD_SendSignal() {
	cmd := exec.Command("sleep", "100")
	p, err := pidfd.Start(cmd)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	fmt.Println(p.SendSignal(syscall.SIGTERM))
	fmt.Println(p.WaitContext(context.Background()))
	_ = cmd.Wait()
	fmt.Println(errors.Is(p.SendSignal(syscall.SIGTERM), os.ErrProcessDone))
	// Output:
	// <nil>
	// signal: terminated <nil>
	// true
}
