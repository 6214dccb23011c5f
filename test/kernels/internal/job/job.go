// Package job is shared by test/kernels and the init of its virtual machines. It
// describes the programs to run and frames their outputs in a common stream.
package job

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A Job is a program to run.
type Job struct {
	Name string
	Argv []string
	Env  []string // added to the environment of the caller
	Dir  string
}

// The lines that frame a job's output begin with a byte that no test prints, but
// test2json's marks do.
const (
	begin = "\x16JOB begin "
	end   = "\x16JOB end "
	done  = "\x16INIT done "
)

// Run runs a job until ctx ends, and writes its output with a frame around it.
func (j Job) Run(ctx context.Context, w io.Writer) {
	fmt.Fprintf(w, "\n%s%s\n", begin, j.Name)
	cmd := exec.CommandContext(ctx, j.Argv[0], j.Argv[1:]...)
	cmd.Env = append(os.Environ(), j.Env...)
	cmd.Dir = j.Dir
	cmd.Stdout, cmd.Stderr = w, w
	// Children that a test left behind may hold its standard output.
	cmd.WaitDelay = 10 * time.Second
	status := "exit status 0"
	if err := cmd.Run(); err != nil {
		status = err.Error()
	}
	fmt.Fprintf(w, "\n%s%s\n", end, status)
}

// Done writes the line that says that all jobs were run, on which kernel.
func Done(w io.Writer, kernel string) { fmt.Fprintf(w, "\n%s%s\n", done, kernel) }

// An Output is what a job wrote.
type Output struct {
	Name   string
	Text   []byte
	Status string // "exit status 0" if all is well, empty if it did not end
}

// Split takes a stream apart. The kernel is empty if the stream breaks off before
// its end: the machine has crashed, or was stopped.
func Split(stream []byte) (outputs []Output, kernel string) {
	var at *Output
	// A console puts a carriage return before each new line.
	for line := range bytes.Lines(bytes.ReplaceAll(stream, []byte("\r\n"), []byte("\n"))) {
		text, whole := strings.CutSuffix(string(line), "\n")
		if !whole {
			text = "" // it breaks off here, and frames nothing
		}
		if name, ok := strings.CutPrefix(text, begin); ok {
			outputs = append(outputs, Output{Name: name})
			at = &outputs[len(outputs)-1]
		} else if status, ok := strings.CutPrefix(text, end); ok && at != nil {
			at.Status, at = status, nil
		} else if release, ok := strings.CutPrefix(text, done); ok {
			kernel = release
		} else if at != nil {
			at.Text = append(at.Text, line...)
		}
	}
	return outputs, kernel
}
