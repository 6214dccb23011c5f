package main

import (
	"debug/elf"
	"debug/gosym"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A tracer runs test binaries under ptrace(2) and records the system calls that the
// library makes, directly or through package os and the runtime. The library makes a
// call if a file of the library, not a test, has the first frame on the stack outside
// the standard library and x/sys.
//
// Calls that the Go runtime makes to run goroutines and to collect garbage do not
// count. The epoll_ctl(2) calls of its poller do. The calls of a child between fork and
// exec do not count, because package syscall makes them.
type tracer struct {
	dir      string // of the binaries
	root     string // of the workspace
	goroot   string
	programs map[string]*gosym.Table
	threads  map[int]*thread
	found    map[site]string // with a function that makes the call
}

// A site is a system call, by the package that makes it.
type site struct{ by, call string }

type thread struct {
	table  *gosym.Table // nil of a child that has not executed its program yet
	inside bool         // a system call
	begun  bool
}

// trace returns the calls made by the tests of the packages, in the directory of
// the workspace.
func trace(root string, packages []string) (map[site]string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// Without C a text begins where the section does.
	goroot, err := goCommand(root, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	if _, err := goCommand(root, append([]string{"test", "-c", "-o", dir + "/"}, packages...)...); err != nil {
		return nil, err
	}
	t := &tracer{dir: dir, root: root, goroot: strings.TrimSpace(goroot), programs: make(map[string]*gosym.Table), found: make(map[site]string)}
	for _, pkg := range packages {
		test := filepath.Join(dir, filepath.Base(pkg)+".test")
		failed := make(chan error)
		go func() {
			runtime.LockOSThread() // the tracer is a thread, and ends with this goroutine
			failed <- t.run(test, filepath.Join(root, pkg))
		}()
		if err := <-failed; err != nil {
			return nil, err
		}
	}
	if len(t.found) == 0 {
		return nil, errors.New("none of the calls is the library's")
	}
	return t.found, nil
}

func goCommand(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args[:2], " "), err, out, &problems)
	}
	return string(out), nil
}

// run runs one binary until it and all that it started have ended.
func (t *tracer) run(test, dir string) error {
	cmd := exec.Command(test, "-test.short", "-test.timeout=2m", "-test.skip="+repeats)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	t.threads = make(map[int]*thread)
	table, err := t.program(pid)
	if err != nil {
		return err
	}
	t.threads[pid] = &thread{table: table, begun: true}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACEEXEC |
		unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	if err := unix.PtraceSyscall(pid, 0); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	for len(t.threads) > 0 {
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
		case err == unix.ECHILD:
			return nil
		case err != nil:
			return os.NewSyscallError("wait4", err)
		case status.Stopped():
			t.stopped(tid, status)
		default:
			delete(t.threads, tid)
		}
	}
	return nil
}

// stopped records the call at which a thread has stopped, and continues the thread. If
// the thread has been killed meanwhile, ptrace(2) returns ESRCH, and wait4(2) reports
// the end.
func (t *tracer) stopped(tid int, status unix.WaitStatus) {
	th := t.thread(tid)
	deliver := 0
	switch sig := status.StopSignal(); {
	case sig == unix.SIGTRAP|0x80:
		th.inside = !th.inside
		if th.inside && !t.entered(tid, th) {
			t.leave(tid)
			return
		}
	case sig == unix.SIGTRAP && status>>16 != 0:
		switch event := int(status >> 16); event {
		case unix.PTRACE_EVENT_CLONE: // a thread
			if child, err := unix.PtraceGetEventMsg(tid); err == nil {
				t.thread(int(child)).table = th.table
			}
		case unix.PTRACE_EVENT_EXEC:
			table, err := t.program(tid)
			if err != nil || table == nil {
				t.leave(tid)
				return
			}
			*th = thread{table: table, begun: true, inside: true}
		}
	case sig == unix.SIGSTOP && !th.begun:
		th.begun = true // every new tracee's
	default:
		deliver = int(sig)
	}
	_ = unix.PtraceSyscall(tid, deliver)
}

func (t *tracer) thread(tid int) *thread {
	th := t.threads[tid]
	if th == nil {
		th = new(thread)
		t.threads[tid] = th
	}
	return th
}

// leave traces the thread no more.
func (t *tracer) leave(tid int) {
	delete(t.threads, tid)
	_ = unix.PtraceDetach(tid)
}

// program returns the symbols of the program that pid executes, nil where it is no
// test binary.
func (t *tracer) program(pid int) (*gosym.Table, error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return nil, err
	}
	if filepath.Dir(path) != t.dir {
		return nil, nil
	}
	if table := t.programs[path]; table != nil {
		return table, nil
	}
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines, text := file.Section(".gopclntab"), file.Section(".text")
	if lines == nil || text == nil {
		return nil, errors.New(path + " has no Go symbols")
	}
	data, err := lines.Data()
	if err != nil {
		return nil, err
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	if err != nil {
		return nil, err
	}
	t.programs[path] = table
	return table, nil
}

// entered looks at a system call. It reports false where the thread is to be let
// go: a child that is about to ask for a tracer of its own.
func (t *tracer) entered(tid int, th *thread) bool {
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) != nil {
		return true
	}
	if th.table == nil {
		return regs.Orig_rax != unix.SYS_PTRACE || regs.Rdi != unix.PTRACE_TRACEME
	}
	if _, _, fn := th.table.PCToLine(regs.Rip); fn == nil || fn.PackageName() == "runtime" {
		return true
	}
	args := [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	if by, in := t.maker(tid, th.table, &regs); by != "" {
		s := site{by, callName(uintptr(regs.Orig_rax), &args)}
		if t.found[s] == "" {
			t.found[s] = in
		}
	}
	return true
}

// maker returns the package and the function of the library that makes a call. Both
// are empty if the library does not make the call. The assembly has no frame, so its
// return address is at the top of the stack. The frame pointers lead to all other
// return addresses.
func (t *tracer) maker(tid int, table *gosym.Table, regs *unix.PtraceRegs) (by, in string) {
	pcs := make([]uint64, 0, 64)
	pcs = append(pcs, regs.Rip)
	var words [2]uint64
	if read(tid, regs.Rsp, words[:1]) {
		pcs = append(pcs, words[0]-1)
	}
	for fp := regs.Rbp; len(pcs) < cap(pcs) && fp != 0 && read(tid, fp, words[:]); fp = words[0] {
		pcs = append(pcs, words[1]-1)
		if words[0] <= fp {
			break
		}
	}
	runtimes := false
	for i, pc := range pcs {
		file, _, fn := table.PCToLine(pc)
		if fn == nil {
			continue
		}
		dir, ours := t.ours(file)
		switch {
		case i == 1 && fn.PackageName() == "": // not a return address
		case ours:
			if runtimes {
				return "", ""
			}
			return dir, fn.Name
		case fn.Name == "runtime.netpollopen", fn.Name == "runtime.netpollclose":
			return t.above(pcs[i+1:], table)
		case fn.PackageName() == "runtime" && i > 0:
			runtimes = true
		case !t.isStandard(file):
			return "", ""
		}
	}
	return "", ""
}

// above is maker for the callers of the runtime's poller.
func (t *tracer) above(pcs []uint64, table *gosym.Table) (by, in string) {
	for _, pc := range pcs {
		file, _, fn := table.PCToLine(pc)
		dir, ours := t.ours(file)
		switch {
		case fn == nil:
		case ours:
			return dir, fn.Name
		case !t.isStandard(file):
			return "", ""
		}
	}
	return "", ""
}

// ours returns the package of the library that a file is of, and no test's.
func (t *tracer) ours(file string) (dir string, ok bool) {
	dir, ok = strings.CutPrefix(filepath.Dir(file), t.root+"/")
	return dir, ok && !strings.HasSuffix(file, "_test.go") && !strings.HasSuffix(dir, "test")
}

// isStandard reports whether the file is of the standard library or of x/sys, or the
// compiler's own.
func (t *tracer) isStandard(file string) bool {
	return strings.HasPrefix(file, t.goroot+"/") || strings.Contains(file, "/golang.org/x/sys@") || file == "<autogenerated>"
}

// read reads words of the tracee's memory.
func read(tid int, from uint64, words []uint64) bool {
	b := make([]byte, 8*len(words))
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	n, err := unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(from), Len: len(b)}}, 0)
	if err != nil || n != len(b) {
		return false
	}
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return true
}

// repeats matches tests that make the calls of another test a hundred thousand times.
// They are left out, because each call stops twice here.
const repeats = "UseAfterClose|Stress|Against|Race|Storm|Histor|Scheduler|Moves|Alloc|Fuzz|Model|Concurrent|Random|LargeWrites|HugeWrite|Lost|Batch|Overflow|While|Reader"
