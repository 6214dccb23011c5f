package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// A job is a command that runs for a client.
type job struct {
	*client
	id int

	cmd      *exec.Cmd
	child    *pidfd.PidFD // nil until it has been started
	ending   uint64       // the child's watch
	output   *fd.FD       // what it writes
	listener uint64       // the watch of output, 0 while there is none
	line     []byte       // the beginning of one

	status *pidfd.ExitStatus // nil while it runs
	left   int               // bytes of output then, which are still to be passed on
}

// newJob has a command started. That lasts until the new process has executed it, so
// another goroutine does it.
func (c *client) newJob(id int, command []string) {
	j := &job{client: c, id: id, output: new(fd.FD)}
	c.jobs[id] = j
	c.running++
	c.starting++
	c.done.jobs++
	go func() {
		cmd := exec.Command(command[0], command[1:]...)
		child, output, err := start(cmd)
		c.post(func() { j.started(cmd, child, output, err) })
	}()
}

// start starts a command in a process group of its own, so that Ctrl-C is for us
// alone, and returns the end of the pipe that it writes to.
func start(cmd *exec.Cmd) (*pidfd.PidFD, *fd.FD, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	output, input := fd.New(ends[0]), os.NewFile(uintptr(ends[1]), "output")
	defer input.Close()
	cmd.Stdout, cmd.Stderr = input, input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := output.SetNonblock(true)
	if err == nil {
		var child *pidfd.PidFD
		if child, err = pidfd.Start(cmd); err == nil {
			return child, output, nil
		}
	}
	if cmd.Process != nil { // it runs, but cannot be looked after
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return nil, nil, errors.Join(err, output.Close())
}

func (j *job) started(cmd *exec.Cmd, child *pidfd.PidFD, output *fd.FD, err error) {
	j.starting--
	if err != nil {
		j.running--
		delete(j.jobs, j.id)
		j.send("job %d failed: %v", j.id, err)
		j.proceed()
		return
	}
	j.cmd, j.child, j.output = cmd, child, output
	j.watchChild()
	if j.closed {
		j.abandon()
	}
	j.proceed() // which listens
}

// listen begins or ends to read what the command writes.
func (j *job) listen(listen bool) {
	if listen && j.listener == 0 && j.output.Valid() {
		j.listener = j.watch(j.output, unix.POLLIN, j.readOutput)
	} else if !listen {
		// Not a change to no events: the pipe hangs up in any case.
		j.unwatch(&j.listener)
	}
}

// readOutput passes on a piece of what the command has written.
func (j *job) readOutput(uint32) {
	var piece [maxLine]byte
	room := piece[:maxLine-len(j.line)]
	if j.status != nil {
		room = room[:min(j.left, len(room))]
	}
	n, err := j.output.Read(room)
	if err == fd.ErrWouldBlock {
		return
	}
	for text := range bytes.Lines(room[:n]) {
		j.line = append(j.line, text...)
		if whole := bytes.TrimSuffix(j.line, []byte("\n")); len(whole) < len(j.line) || len(whole) == maxLine {
			j.send("job %d out %s", j.id, whole)
			j.line = j.line[:0]
		}
	}
	if j.status != nil {
		j.left -= n
	}
	if err != nil { // the end
		j.left = 0
		j.closeOutput()
	}
	j.finish()
}

// exited takes the status of a command that has ended.
func (j *job) exited(uint32) {
	status, err := j.child.Wait()
	if err == fd.ErrWouldBlock {
		// A tracer holds the status. The pidfd stays readable, so the loop would spin: see
		// "Poll loops" in package pidfd.
		j.unwatch(&j.ending)
		j.after(20*time.Millisecond, j.watchChild)
		return
	}
	j.fail(err)
	// The rest of its process group is killed too. The kernel does not reuse the number of
	// the group before the command is reaped.
	_ = unix.Kill(-j.child.PID(), unix.SIGKILL)
	_ = j.cmd.Wait() // reaps it; the status we have
	j.running--
	j.status, j.left = status, 0
	if j.output.Valid() {
		left, err := unix.IoctlGetUint32(j.output.Fd(), unix.TIOCINQ) // FIONREAD
		j.fail(os.NewSyscallError("ioctl", err))
		j.left = int(left)
	}
	j.unwatch(&j.ending)
	_ = j.child.Close()
	j.finish()
}

func (j *job) watchChild() { j.ending = j.watch(j.child.FD(), unix.POLLIN, j.exited) }

// finish ends the job if its command has ended and its output is passed on, and has
// the client go on.
func (j *job) finish() {
	if !j.closed && j.status != nil && j.left == 0 {
		if len(j.line) > 0 {
			j.send("job %d out %s", j.id, j.line)
		}
		j.send("job %d ended: %v", j.id, j.status)
		delete(j.jobs, j.id)
		j.closeOutput()
	}
	j.proceed()
}

// abandon kills a job whose client has gone. Its end is still waited for.
func (j *job) abandon() {
	if j.child != nil && j.status == nil {
		_ = j.child.SendSignal(unix.SIGKILL)
	}
	j.closeOutput()
}

func (j *job) closeOutput() {
	j.listen(false)
	_ = j.output.Close()
}
