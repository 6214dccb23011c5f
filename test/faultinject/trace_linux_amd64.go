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

// A tracer runs a test binary under ptrace(2) and records the system calls that the
// library makes, directly or through package os and the runtime. The library makes a
// call if a file of the library, not a test, has the first frame on the stack outside
// the standard library and x/sys.
//
// Calls that the Go runtime makes to run goroutines and to collect garbage do not
// count. The epoll_ctl(2) calls of its poller do. The calls of a child between fork and
// exec do not count, because package syscall makes them.
type tracer struct {
	root    string // of the workspace
	binary  string
	symbols *gosym.Table
	threads map[int]*thread
	found   map[site]string // with a function that makes the call
}

type thread struct {
	known  bool // it executes the binary, and is not a child that has yet to execute its program
	inside bool // a system call
	begun  bool
}

// trace returns the calls made by the tests of the packages, in the directory of
// the workspace. Each call comes with a function that makes it.
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
	build := exec.Command("go", append([]string{"test", "-c", "-o", dir + "/"}, packages...)...)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=") // without C a text begins where the section does
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go test: %w\n%s", err, out)
	}
	found := make(map[site]string)
	for _, pkg := range packages {
		t := &tracer{root: root, binary: filepath.Join(dir, filepath.Base(pkg)+".test"), threads: make(map[int]*thread), found: found}
		failed := make(chan error)
		go func() {
			runtime.LockOSThread() // the tracer is a thread, and ends with this goroutine
			failed <- t.run(filepath.Join(root, pkg))
		}()
		if err := <-failed; err != nil {
			return nil, err
		}
	}
	return found, nil
}

// load reads the symbols of the binary.
func (t *tracer) load() error {
	file, err := elf.Open(t.binary)
	if err != nil {
		return err
	}
	defer file.Close()
	lines, err := file.Section(".gopclntab").Data()
	if err != nil {
		return err
	}
	t.symbols, err = gosym.NewTable(nil, gosym.NewLineTable(lines, file.Section(".text").Addr))
	return err
}

// run runs the binary in dir until it and all that it started have ended.
func (t *tracer) run(dir string) error {
	if err := t.load(); err != nil {
		return err
	}
	cmd := exec.Command(t.binary, "-test.short", "-test.timeout=10m", "-test.skip="+leftOut)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GODEBUG=asyncpreemptoff=1") // each signal stops a thread
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	t.threads[pid] = &thread{known: true, begun: true}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACEEXEC |
		unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK
	if err := errors.Join(unix.PtraceSetOptions(pid, options), unix.PtraceSyscall(pid, 0)); err != nil {
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
			if tid == pid && status.ExitStatus() == 2 { // a panic, after the timeout too
				return fmt.Errorf("not all tests of %s ran", dir)
			}
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
	switch sig, event := status.StopSignal(), status.TrapCause(); {
	case sig == unix.SIGTRAP|0x80:
		th.inside = !th.inside
		if th.inside && !t.entered(tid, th) {
			t.leave(tid)
			return
		}
	case event == unix.PTRACE_EVENT_CLONE: // a thread
		if child, err := unix.PtraceGetEventMsg(tid); err == nil {
			t.thread(int(child)).known = th.known
		}
	case event == unix.PTRACE_EVENT_EXEC:
		if path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", tid)); path != t.binary {
			t.leave(tid)
			return
		}
		*th = thread{known: true, begun: true, inside: true}
	case event > 0: // a child
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

// entered looks at a system call. It reports false if the thread is to be let go: a
// child that is about to ask for a tracer of its own.
func (t *tracer) entered(tid int, th *thread) bool {
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) != nil {
		return true
	}
	if !th.known {
		return regs.Orig_rax != unix.SYS_PTRACE || regs.Rdi != unix.PTRACE_TRACEME
	}
	if _, _, fn := t.symbols.PCToLine(regs.Rip); fn == nil || fn.PackageName() == "runtime" {
		return true
	}
	args := [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	if by, in := t.maker(stack(tid, &regs)); by != "" {
		t.found[site{by, callName(uintptr(regs.Orig_rax), &args)}] = in
	}
	return true
}

// stack returns the addresses of the calls on a stack. The assembly has no frame, so its
// return address is at the top of the stack. The frame pointers lead to all other
// return addresses.
func stack(tid int, regs *unix.PtraceRegs) []uint64 {
	pcs := []uint64{regs.Rip}
	var words [2]uint64
	if read(tid, regs.Rsp, words[:1]) {
		pcs = append(pcs, words[0]-1)
	}
	for fp, below := regs.Rbp, uint64(0); len(pcs) < 64 && fp > below && read(tid, fp, words[:]); fp, below = words[0], fp {
		pcs = append(pcs, words[1]-1)
	}
	return pcs
}

// maker returns the package and the function of the library that makes a call. Both
// are empty if the library does not make the call.
func (t *tracer) maker(pcs []uint64) (by, in string) {
	runtimes, pollers := false, false
	for i, pc := range pcs {
		file, _, fn := t.symbols.PCToLine(pc)
		if fn == nil || i == 1 && fn.PackageName() == "" { // not a return address
			continue
		}
		dir, ours := strings.CutPrefix(filepath.Dir(file), t.root+"/")
		switch {
		case ours:
			if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(dir, "test") || runtimes && !pollers {
				return "", ""
			}
			return dir, fn.Name
		case fn.Name == "runtime.netpollopen", fn.Name == "runtime.netpollclose":
			pollers = true
		case fn.PackageName() == "runtime" && i > 0:
			runtimes = true
		case strings.Contains(file, "@") && !strings.Contains(file, "/golang.org/"): // of another module than x/sys
			return "", ""
		}
	}
	return "", ""
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

// leftOut matches tests that make the calls of another test a hundred thousand times.
// They are left out, because each call stops twice here.
const leftOut = "UseAfterClose|Stress|Against|Race|Storm|Histor|Scheduler|Moves|Alloc|Fuzz|Model|Concurrent|Random|LargeWrites|HugeWrite|Lost|Batch|Overflow|While|Reader"
