package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/test/kernels/internal/job"
)

// A lab runs machines.
type lab struct {
	store  store
	root   string
	dir    string // for what is built
	stress time.Duration
	limit  time.Duration // for one machine
}

// run runs everything on a machine, and says what came of it.
func (l *lab) run(ctx context.Context, m machine) result {
	r := result{Machine: m.String(), Kind: m.kind, Processor: m.processor.goarch}
	if err := try.Run(func() { l.fill(ctx, m, &r) }); err != nil {
		r.Problem = err.Error()
	}
	return r
}

func (l *lab) fill(ctx context.Context, m machine, r *result) {
	emulator := l.store.emulator(m)
	if emulator != nil {
		r.Emulator = "QEMU " + release.FindString(output(exec.Command(emulator[0], append(emulator[1:], "--version")...)))
	}
	// The output stays there.
	log := try.Get(os.Create(filepath.Join(string(l.store), m.file()+".log")))
	defer log.Close()
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	started := time.Now()
	var err error
	if m.kind == system {
		err = l.boot(ctx, log, m, emulator)
	} else {
		l.here(ctx, log, m, emulator)
	}
	r.Seconds = time.Since(started).Round(time.Second).Seconds()
	stream := try.Get(os.ReadFile(log.Name()))
	// The report is published, from wherever the repository was.
	for _, dir := range []string{l.root, l.dir} {
		stream = bytes.ReplaceAll(stream, []byte(dir+"/"), nil)
	}
	outputs, kernel := job.Split(stream)
	r.Kernel = kernel
	for _, o := range outputs {
		if o.Name == probe {
			r.Probe = answers(o)
		} else {
			r.Cells = append(r.Cells, judge(o))
		}
	}
	explain(r)
	switch {
	case ctx.Err() != nil:
		try.Check(fmt.Errorf("stopped after %v: %s", l.limit, tail(stream)))
	case err != nil:
		try.Check(fmt.Errorf("%w: %s", err, tail(stream)))
	case kernel == "":
		try.Check(fmt.Errorf("the machine did not get to its end: %s", tail(stream)))
	}
}

var release = regexp.MustCompile(`\d+(\.\d+)+`)

// here runs the jobs on this machine's kernel.
func (l *lab) here(ctx context.Context, w io.Writer, m machine, emulator []string) {
	for _, j := range jobs(l.binaries(m.processor), l.root, m, l.stress) {
		if m.kind == user {
			// The tests start themselves again, which takes the emulator too.
			j.Env = append(j.Env, "KERNELS_EMU="+emulator[0])
			j.Argv = append(emulator, j.Argv...)
		}
		j.Run(ctx, w)
	}
	job.Done(w, strings.TrimSpace(string(try.Get(os.ReadFile("/proc/sys/kernel/osrelease")))))
}

// boot runs the jobs in a virtual machine.
func (l *lab) boot(ctx context.Context, w io.Writer, m machine, emulator []string) error {
	initramfs := filepath.Join(l.dir, m.file()+".cpio")
	try.Check(os.WriteFile(initramfs, l.initramfs(m), 0o644))
	defer os.Remove(initramfs)
	// It ends with a status of 0 after a panic too: the stream says how it went. A
	// busy host delays the timer's interrupts beyond what the kernel's check bears.
	argv := append(emulator, "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1G", "-nodefaults", "-no-user-config", "-display", "none",
		"-serial", "stdio", "-no-reboot", "-kernel", l.store.kernel(m), "-initrd", initramfs,
		"-append", "console="+m.processor.guest.console+" quiet panic=-1 no_timer_check")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &problems
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, &problems)
	}
	return nil
}

// initramfs returns the first root file system of a virtual machine, with all of its jobs.
func (l *lab) initramfs(m machine) []byte {
	built := l.binaries(m.processor)
	files := map[string]string{
		"bin/busybox": l.store.busybox(m.processor.guest),
		"init":        filepath.Join(built, "init"),
		"tests/probe": filepath.Join(built, "probe"),
	}
	for _, pkg := range tested(m.processor) {
		files["tests/"+binary(pkg)] = filepath.Join(built, binary(pkg))
	}
	var c cpio
	for _, dir := range []string{"bin", "dev", "tests"} {
		c.add(dir, cpioDirectory|0o755, nil)
	}
	c.add("dev/console", cpioDevice|0o600, nil)
	for to, from := range files {
		c.add(to, cpioFile|0o755, try.Get(os.ReadFile(from)))
	}
	c.add("jobs.json", cpioFile|0o644, try.Get(json.Marshal(jobs("/tests", "", m, l.stress))))
	return c.bytes()
}

func (l *lab) binaries(p *processor) string { return filepath.Join(l.dir, p.goarch) }

// tail returns the last lines of a stream.
func tail(stream []byte) string {
	stream = bytes.TrimSpace(bytes.ReplaceAll(stream, []byte("\x16"), nil)) // the marks of test2json
	return string(stream[max(0, len(stream)-2000):])
}
