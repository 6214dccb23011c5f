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
	"code.hybscloud.com/iofd/fd"
)

var events = flag.Uint64("n", 1000, "how many `events` there are")
var isChild = flag.Bool("child", false, "be the child, which has the counter as descriptor 3")

func main() {
	if flag.Parse(); flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	run := runParent
	if *isChild {
		run = runChild
	}
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
	child.ExtraFiles = []*os.File{file}
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
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
	counter, err := eventfd.FromFD(fd.New(3))
	if err != nil {
		return err
	}
	defer counter.Close()
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
