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
	"strings"
	"time"

	"code.hybscloud.com/iofd/test/kernels/internal/job"
)

// A lab runs machines.
type lab struct {
	store  store
	root   string
	dir    string // for what is built
	logs   string // where the machines' output is kept, if anywhere
	stress time.Duration
	limit  time.Duration // for one machine
}

// run runs everything on a machine, and says what came of it.
func (l *lab) run(ctx context.Context, m machine) result {
	r := result{Machine: m.String(), Kind: m.kind, Processor: m.processor.goarch}
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	var err error
	if r.Emulator, err = l.store.emulator(m); err != nil {
		r.Problem = err.Error()
		return r
	}
	started := time.Now()
	stream, err := l.stream(ctx, m)
	r.Seconds = time.Since(started).Round(time.Second).Seconds()
	if err != nil {
		r.Problem = err.Error() + ": " + tail(stream)
		return r
	}
	// The report is published, from wherever the repository was.
	for _, dir := range []string{l.root, l.dir} {
		stream = bytes.ReplaceAll(stream, []byte(dir+"/"), nil)
	}
	var outputs []job.Output
	outputs, r.Kernel = job.Split(stream)
	if r.Kernel == "" {
		r.Problem = "the machine did not get to its end: " + tail(stream)
	}
	for _, o := range outputs {
		if o.Name == probe {
			r.Probe = answers(o)
			continue
		}
		c, err := judge(o)
		if err != nil {
			r.Problem = err.Error()
		}
		r.Cells = append(r.Cells, c)
	}
	explain(&r)
	return r
}

// stream returns what a machine writes, and keeps it as it comes.
func (l *lab) stream(ctx context.Context, m machine) ([]byte, error) {
	var out bytes.Buffer
	w := io.Writer(&out)
	if l.logs != "" {
		log, err := os.Create(filepath.Join(l.logs, m.file()+".log"))
		if err != nil {
			return nil, err
		}
		defer log.Close()
		w = io.MultiWriter(&out, log)
	}
	run := l.here
	if m.kind == system {
		run = l.boot
	}
	err := run(ctx, w, m)
	if ctx.Err() != nil {
		err = fmt.Errorf("stopped after %v", l.limit)
	}
	return out.Bytes(), err
}

// here runs the jobs on this machine's kernel.
func (l *lab) here(ctx context.Context, w io.Writer, m machine) error {
	for _, j := range jobs(l.binaries(m.processor), l.root, m, l.stress) {
		if m.kind == user {
			emulator, err := l.store.userEmulator(m.processor)
			if err != nil {
				return err
			}
			// The tests start themselves again, which takes the emulator too.
			j.Env = append(j.Env, "KERNELS_EMU="+emulator)
			j.Argv = append([]string{emulator}, j.Argv...)
		}
		j.Run(ctx, w)
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	job.Done(w, strings.TrimSpace(string(release)))
	return err
}

// boot runs the jobs in a virtual machine.
func (l *lab) boot(ctx context.Context, w io.Writer, m machine) error {
	g := m.processor.guest
	kernel, err := l.store.kernel(m)
	if err != nil {
		return err
	}
	argv, err := l.store.systemEmulator(g)
	if err != nil {
		return err
	}
	archive, err := l.initramfs(m)
	if err != nil {
		return err
	}
	initramfs := filepath.Join(l.dir, m.file()+".cpio")
	if err := os.WriteFile(initramfs, archive, 0o644); err != nil {
		return err
	}
	defer os.Remove(initramfs)
	argv = append(argv, g.args...)
	// It ends with a status of 0 after a panic too: the stream says how it went. A
	// busy host delays the timer's interrupts beyond what the kernel's check bears.
	argv = append(argv, "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1G", "-nodefaults", "-no-user-config", "-display", "none",
		"-serial", "stdio", "-no-reboot", "-kernel", kernel, "-initrd", initramfs,
		"-append", "console="+g.console+" quiet panic=-1 no_timer_check")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &problems
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", g.program, err, &problems)
	}
	return nil
}

// initramfs returns the first root file system of a virtual machine, with all of its jobs.
func (l *lab) initramfs(m machine) ([]byte, error) {
	files, err := l.store.userland(m.processor.guest)
	if err != nil {
		return nil, err
	}
	built := l.binaries(m.processor)
	files["init"] = filepath.Join(built, "init")
	files["tests/probe"] = filepath.Join(built, "probe")
	for _, pkg := range tested(m.processor) {
		files["tests/"+binary(pkg)] = filepath.Join(built, binary(pkg))
	}
	var c cpio
	for _, dir := range []string{"bin", "dev", "lib", "lib64", "tests", "tmp"} {
		c.add(dir, cpioDirectory|0o755, nil)
	}
	c.add("dev/console", cpioDevice|0o600, nil)
	for to, from := range files {
		data, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		c.add(to, cpioFile|0o755, data)
	}
	todo, err := json.Marshal(jobs("/tests", "", m, l.stress))
	c.add("jobs.json", cpioFile|0o644, todo)
	return c.bytes(), err
}

func (l *lab) binaries(p *processor) string { return filepath.Join(l.dir, p.goarch) }

// tail returns the last lines of a stream.
func tail(stream []byte) string {
	stream = bytes.TrimSpace(bytes.ReplaceAll(stream, []byte("\x16"), nil)) // the marks of test2json
	return string(stream[max(0, len(stream)-2000):])
}
