// Reload is the skeleton of a daemon that reads its configuration again when a signal says
// so. It shows package signalfd: signals arrive in a loop, each with its sender.
//
//	echo '{"greeting": "hello"}' >/tmp/reload.json
//	go run ./examples/reload /tmp/reload.json
//
// HUP reads the file again, USR1 prints the configuration, INT and TERM end the program.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/signalfd"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(flag.CommandLine.Output(), "usage: reload FILE") }
	if flag.Parse(); flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	signal.Ignore(unix.SIGPIPE) // the daemon outlives the reader of its log
	if err := run(flag.Arg(0)); err != nil {
		log.Fatal(err)
	}
}

// run serves until a signal ends it.
func run(path string) error {
	// The signals come first, because a HUP would end the program while it reads the file.
	signals, err := signalfd.New(signalfd.NewSet(unix.SIGHUP, unix.SIGUSR1, unix.SIGINT, unix.SIGTERM))
	if err != nil {
		return err
	}
	defer signals.Close()
	current, err := load(path)
	if err != nil {
		return err
	}
	log.Printf("ready: %+v", current)
	for info, err := range signals.All(context.Background()) {
		switch {
		case err != nil:
			return err
		case info.Signal == unix.SIGHUP:
			next, err := load(path)
			if err != nil {
				log.Print("the old configuration stays: ", err)
				continue
			}
			current = next
			log.Printf("read again for process %d: %+v", info.PID, current)
		case info.Signal == unix.SIGUSR1:
			log.Printf("in use: %+v", current)
		default:
			log.Print("ended by ", info.Signal)
			return nil
		}
	}
	return nil
}

type config struct{ Greeting string }

// load reads the configuration from a file of JSON.
func load(path string) (c config, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(text, &c)
}
