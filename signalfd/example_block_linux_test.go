package signalfd_test

import (
	"context"
	"fmt"
	"log"
	"os/exec"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

// A daemon takes its commands as real-time signals, in the order in which they
// were sent. Block stands first in main.
func ExampleBlock() {
	commands := signalfd.NewSet(40, 41)
	if err := signalfd.Block(commands); err != nil {
		log.Fatal(err)
	}
	s, err := signalfd.New(commands)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for {
		info, err := s.ReadContext(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("command", info.Signal, "with", info.Int, "from", info.PID)
	}
}

// After Block, children are started without what this program has blocked.
func ExampleStart() {
	if err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1)); err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	if err := signalfd.Start(cmd); err != nil {
		log.Fatal(err)
	}
	// USR1 ends it, as it would have ended it without Block.
	if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
		log.Fatal(err)
	}
	fmt.Println(cmd.Wait())
}

// Many signals are taken at once, as soon as there is one.
func ExampleSignalFD_ReadBatch() {
	s, err := signalfd.New(signalfd.NewSet(unix.SIGCHLD, unix.SIGTERM))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	infos := make([]signalfd.Info, 32)
	for {
		n, err := fd.WaitRead(context.Background(), s.FD(), func() (int, error) { return s.ReadBatch(infos) })
		if err != nil {
			log.Fatal(err)
		}
		for _, info := range infos[:n] {
			fmt.Println(info)
			if info.Signal == unix.SIGTERM {
				return
			}
		}
	}
}
