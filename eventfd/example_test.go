//go:build linux

package eventfd_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// One goroutine signals the number of pending jobs, and another goroutine takes it.
func Example() {
	e, err := eventfd.New(0)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	go func() { _ = e.Signal(3) }()

	n, err := e.WaitContext(context.Background())
	fmt.Println(n, err)
	_, err = e.Wait()
	fmt.Println(err == fd.ErrWouldBlock)
	// Output:
	// 3 <nil>
	// true
}

// A semaphore gives 1 to each Wait, until its value is 0.
func ExampleNewSemaphore() {
	e, err := eventfd.NewSemaphore(2)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	for range 3 {
		n, err := e.Wait()
		fmt.Println(n, err == fd.ErrWouldBlock)
	}
	// Output:
	// 1 false
	// 1 false
	// 0 true
}

// Notify succeeds if the counter is full: the event loop has been woken already.
func ExampleEventFD_Notify() {
	e, err := eventfd.New(eventfd.MaxValue)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	fmt.Println(e.Signal(1) == fd.ErrWouldBlock, e.Notify())
	// Output: true <nil>
}

// An event loop that uses epoll(7) directly pins the descriptor, so that Close
// cannot free the number while the kernel watches it.
func ExampleEventFD_FD() {
	e, err := eventfd.New(0)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	pin, err := e.FD().Pin()
	if err != nil {
		log.Fatal(err)
	}
	defer pin.Unpin()
	number := pin.Number()

	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		log.Fatal(err)
	}
	defer unix.Close(epoll)
	interest := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(number)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, number, &interest); err != nil {
		log.Fatal(err)
	}

	if err := e.Notify(); err != nil {
		log.Fatal(err)
	}
	events := make([]unix.EpollEvent, 1)
	n, err := unix.EpollWait(epoll, events, 0)
	fmt.Println(n, err, events[0].Fd == int32(number))
	// Output: 1 <nil> true
}

// A parent passes the counter to a child as descriptor 3.
func ExampleEventFD_File() {
	ready, err := eventfd.New(0)
	if err != nil {
		log.Fatal(err)
	}
	defer ready.Close()
	file, err := ready.File("ready")
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command("./server")
	cmd.ExtraFiles = []*os.File{file}
	err = cmd.Start()
	file.Close()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := ready.WaitContext(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the server is ready")
}

// The child takes over the counter that its parent passed as descriptor 3.
func ExampleFromFD() {
	ready, err := eventfd.FromFD(fd.New(3))
	if err != nil {
		log.Fatal(err)
	}
	defer ready.Close()
	if err := ready.Notify(); err != nil {
		log.Fatal(err)
	}
}

// An event loop takes jobs that other goroutines add. Most of their Wakes make no system
// call, because the loop has been woken already.
func ExampleWaker() {
	w, err := eventfd.NewWaker()
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()

	jobs := make(chan int, 100)
	go func() {
		for i := range 100 {
			jobs <- i // first the job, then the wake-up
			_ = w.Wake()
		}
	}()

	watched := []unix.PollFd{{Fd: w.Raw(), Events: unix.POLLIN}} // and the sockets
	done := 0
	for done < 100 {
		if _, err := unix.Poll(watched, -1); err != nil && err != unix.EINTR {
			log.Fatal(err)
		}
		if watched[0].Revents != 0 {
			_ = w.Drain() // first Drain, then the jobs
			for len(jobs) > 0 {
				<-jobs
				done++
			}
		}
	}
	fmt.Println(done)
	// Output: 100
}

// A goroutine handles signals until its context ends.
func ExampleEventFD_All() {
	e, err := eventfd.New(0)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	_ = e.Signal(3)
	for n, err := range e.All(ctx) {
		if err != nil {
			fmt.Println("end:", err)
			break
		}
		fmt.Println("signals:", n)
		cancel()
	}
	// Output:
	// signals: 3
	// end: context canceled
}
