package eventfd_test

import (
	"context"
	"fmt"
	"log"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// One goroutine counts what is to be done, another takes the count.
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

// A semaphore lets in as many as its value says.
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
