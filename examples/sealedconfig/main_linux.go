// Sealedconfig hands a configuration to a child process in memory that neither process can
// change afterwards. It shows package memfd: the parent seals, and the child checks the
// seals before it trusts the content.
//
//	go run ./examples/sealedconfig colour=green size=3
//
// No file has to be removed, and no process can replace it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(flag.CommandLine.Output(), "usage: sealedconfig NAME=VALUE ...") }
	child := flag.Bool("child", false, "")
	flag.Parse()
	run := runParent
	switch {
	case *child:
		run = runChild
	case flag.NArg() == 0:
		flag.Usage()
		os.Exit(2)
	}
	daemon.OpenPoller()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func runParent() error {
	config, err := memfd.NewSealed("config", []byte(strings.Join(flag.Args(), "\n")))
	if err != nil {
		return err
	}
	defer config.Close()
	file, err := config.File("config")
	if err != nil {
		return err
	}
	defer file.Close()
	child := exec.Command("/proc/self/exe", "-child")
	child.ExtraFiles = []*os.File{file}
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	return child.Run()
}

func runChild() error {
	// The first of ExtraFiles has the number 3.
	config, err := memfd.FromFD(fd.New(3))
	if err != nil {
		return err
	}
	defer config.Close()
	if immutable, err := config.Immutable(); err != nil || !immutable {
		return errors.Join(errors.New("the configuration can be changed"), err)
	}
	text, err := io.ReadAll(config)
	if err != nil {
		return err
	}
	_, refused := config.Write([]byte("colour=red"))
	_, err = fmt.Printf("The child has %q.\nIf it writes: %v\n", strings.Split(string(text), "\n"), refused)
	return err
}
