// Reload is the skeleton of a daemon: HUP has it read its configuration again, INT and TERM
// end it. It shows package signalfd: signals arrive in a loop, each with its sender.
//
//	echo '{"greeting": "hello"}' >/tmp/reload.json
//	go run ./examples/reload /tmp/reload.json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
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
	// A HUP must end the program neither while it reads the file nor behind a TERM. So the
	// signals come first, and nothing closes them.
	signals, err := signalfd.New(signalfd.NewSet(unix.SIGHUP, unix.SIGINT, unix.SIGTERM))
	if err != nil {
		log.Fatal(err)
	}
	current, err := load(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("ready: %+v", current)
	for info, err := range signals.All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		if info.Signal != unix.SIGHUP {
			log.Print("ended by ", info.Signal)
			return
		}
		if next, err := load(flag.Arg(0)); err != nil {
			log.Printf("the old configuration stays, %+v: %v", current, err)
		} else {
			current = next
			log.Printf("read again for process %d: %+v", info.PID, current)
		}
	}
}

type config struct{ Greeting string }

// load reads a configuration from a file of JSON. It refuses a FIFO, because the program
// would be deaf to its signals while it waits for the writer.
func load(path string) (c config, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return c, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return c, errors.Join(errors.New("not a regular file: "+path), err)
	}
	decoder := json.NewDecoder(io.LimitReader(file, 1<<20))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&c)
	if _, end := decoder.Token(); err == nil && (end != io.EOF || c.Greeting == "") {
		err = errors.New("a greeting is expected, and nothing after it")
	}
	return c, err
}
