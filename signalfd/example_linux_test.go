//go:build amd64 || arm64 || riscv64 || loong64

package signalfd_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/signalfd"
)

// A program reads the signals that are sent to it. Here it sends them itself.
func Example() {
	s, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1, unix.SIGTERM))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGTERM} {
		if err := unix.Kill(os.Getpid(), sig); err != nil {
			log.Fatal(err)
		}
		info, err := s.ReadContext(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Signal, info.Code, info.PID == os.Getpid())
	}
	// Output:
	// user defined signal 1 SI_USER true
	// terminated SI_USER true
}

// A daemon obeys its signals and says which process sent them. It ends with its context.
func ExampleSignalFD_All() {
	s, err := signalfd.New(signalfd.NewSet(unix.SIGHUP, unix.SIGTERM))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	_ = unix.Kill(os.Getpid(), unix.SIGHUP) // as "kill -HUP" would
	for info, err := range s.All(ctx) {
		if err != nil {
			fmt.Println("end:", err)
			break
		}
		fmt.Println(info.Signal, "from myself:", info.PID == os.Getpid())
		switch info.Signal {
		case unix.SIGHUP:
			_ = unix.Kill(os.Getpid(), unix.SIGTERM)
		case unix.SIGTERM:
			cancel()
		}
	}
	// Output:
	// hangup from myself: true
	// terminated from myself: true
	// end: context canceled
}
