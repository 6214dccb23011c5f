// Wakeup wakes another process by a counter that both share. It shows package eventfd: the
// child sleeps while the counter is 0, and takes all that was added since.
//
//	go run ./examples/wakeup -n 1000
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/fd"
)

var events = flag.Uint64("n", 1000, "")
var isChild = flag.Bool("child", false, "")

func main() {
	flag.Usage = func() { fmt.Fprintln(flag.CommandLine.Output(), "usage: wakeup [-n EVENTS]") }
	if flag.Parse(); flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	run := runParent
	if *isChild {
		run = runChild
	}
	daemon.OpenPoller()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func runParent() error {
	counter, err := eventfd.New(0)
	if err != nil {
		return err
	}
	defer counter.Close()
	file, err := counter.File("counter")
	if err != nil {
		return err
	}
	defer file.Close()
	child := exec.Command("/proc/self/exe", "-child", "-n", fmt.Sprint(*events))
	child.ExtraFiles, child.Stdout, child.Stderr = []*os.File{file}, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // if the parent is killed
	runtime.LockOSThread()                                               // the end of this thread counts
	// The child may end early. Then the deferred Close ends this goroutine.
	go func() {
		for left := *events; left > 0 && counter.Signal(1) == nil; left-- {
		}
	}()
	return child.Run()
}

func runChild() error {
	counter, err := eventfd.FromFD(fd.New(3)) // the first of ExtraFiles
	if err != nil {
		return err
	}
	for left := *events; left > 0; {
		n, err := counter.WaitContext(context.Background())
		if err != nil {
			return err
		}
		if _, err := fmt.Println("woken for", n, "events"); err != nil {
			return err
		}
		left -= n
	}
	return nil
}
