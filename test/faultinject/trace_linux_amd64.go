package main

import (
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
)

// A tracer runs a test binary under ptrace(2) and records the system calls that the
// library makes, directly or through package os and the runtime. The library makes a
// call if a file of the library, not a test, has the first frame on the stack outside
// the standard library and x/sys.
//
// A seccomp(2) filter stops a thread at the entry of each call, except for those that the
// runtime makes most.
//
// Calls that the Go runtime makes to run goroutines and to collect garbage do not
// count. The epoll_ctl(2) calls of its poller do. The calls of a child between fork and
// exec do not count, because package syscall makes them.
type tracer struct {
	root    string // of the workspace
	binary  string
	symbols *gosym.Table
	frames  map[uint64]frame // by address, because gosym searches for each
	found   map[site]string  // with a function that makes the call
}

type frame struct {
	file string
	fn   *gosym.Func
}

// trace returns the calls made by the tests of the packages, in the directory of
// the workspace. Each call comes with a function that makes it. The tests run at the
// same time, because many of them wait.
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
	found := make([]map[site]string, len(packages))
	errs := make([]error, len(packages))
	var group sync.WaitGroup
	for i, pkg := range packages {
		found[i] = make(map[site]string)
		t := &tracer{root: root, binary: filepath.Join(dir, filepath.Base(pkg)+".test"), frames: make(map[uint64]frame), found: found[i]}
		group.Go(func() {
			runtime.LockOSThread() // the tracer is a thread, and ends with this goroutine
			errs[i] = t.run(filepath.Join(root, pkg))
		})
	}
	group.Wait()
	for _, more := range found[1:] {
		maps.Copy(found[0], more)
	}
	return found[0], errors.Join(errs...)
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
	cmd, err := program.Child("traced", t.binary)
	if err != nil {
		return err
	}
	cmd.Dir, cmd.Stderr = dir, nil
	cmd.Env = append(cmd.Env, "PWD="+dir, "GODEBUG=asyncpreemptoff=1") // each signal stops a thread
	attached, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESECCOMP |
		unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, options, 0, 0); errno != 0 {
		return errors.Join(os.NewSyscallError("ptrace", errno), cmd.Process.Kill(), cmd.Wait())
	}
	_ = attached.Close()
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
		case err == unix.ECHILD:
			return cmd.Process.Release()
		case err != nil:
			return os.NewSyscallError("wait4", err)
		case status.Stopped():
			deliver := 0
			switch event := status >> 16; event {
			case unix.PTRACE_EVENT_SECCOMP:
				t.record(tid)
			case 0:
				deliver = int(status.StopSignal())
			}
			// If the thread has been killed meanwhile, wait4(2) reports the end.
			_ = unix.PtraceCont(tid, deliver)
		case tid == pid && status.ExitStatus() == 2: // a panic, after the timeout too
			return fmt.Errorf("not all tests of %s ran", dir)
		}
	}
}

// traced is a child's part. When the tracer has attached, it executes the binary, whose
// calls stop for the tracer.
func traced(binary string) error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	var refusals []systest.Refusal
	for number := range uintptr(500) {
		switch number {
		case unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_SCHED_YIELD: // the runtime's, and many
		default:
			refusals = append(refusals, systest.Refusal{Call: number, Action: unix.SECCOMP_RET_TRACE})
		}
	}
	if _, err := systest.InstallFilter(0, refusals...); err != nil {
		return err
	}
	args := []string{binary, "-test.short", "-test.timeout=10m", "-test.skip=" + leftOut}
	return os.NewSyscallError("execve", unix.Exec(binary, args, os.Environ()))
}

// record looks at the system call at which a thread has stopped.
func (t *tracer) record(tid int) {
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) != nil {
		return
	}
	if fn := t.frame(regs.Rip).fn; fn == nil || fn.PackageName() == "runtime" {
		return
	}
	// A child may execute another program.
	if path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", tid)); path != t.binary {
		return
	}
	args := [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	call := callName(uintptr(regs.Orig_rax), &args)
	if by, in := t.maker(call, stack(tid, &regs)); by != "" {
		t.found[site{by, call}] = in
	}
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
func (t *tracer) maker(call string, pcs []uint64) (by, in string) {
	runtimes, pollers := false, false
	for i, pc := range pcs {
		f := t.frame(pc)
		if f.fn == nil || i == 1 && f.fn.PackageName() == "" { // not a return address
			continue
		}
		dir, ours := strings.CutPrefix(filepath.Dir(f.file), t.root+"/")
		switch {
		case ours:
			if strings.HasSuffix(f.file, "_test.go") || strings.HasSuffix(dir, "test") || runtimes && !pollers {
				return "", ""
			}
			return dir, f.fn.Name
		case f.fn.Name == "syscall.forkAndExecInChild1" && call != "clone":
			return "", ""
		case f.fn.Name == "runtime.netpollopen", f.fn.Name == "runtime.netpollclose":
			pollers = true
		case f.fn.PackageName() == "runtime":
			runtimes = true
		case strings.Contains(f.file, "@") && !strings.Contains(f.file, "/golang.org/"): // of another module than x/sys
			return "", ""
		}
	}
	return "", ""
}

func (t *tracer) frame(pc uint64) frame {
	f, ok := t.frames[pc]
	if !ok {
		f.file, _, f.fn = t.symbols.PCToLine(pc)
		t.frames[pc] = f
	}
	return f
}

// read reads words of the tracee's memory.
func read(tid int, from uint64, words []uint64) bool {
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
	local := []unix.Iovec{{Base: &bytes[0], Len: uint64(len(bytes))}}
	n, err := unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(from), Len: len(bytes)}}, 0)
	return err == nil && n == len(bytes)
}

// leftOut matches tests that make the calls of another test a hundred thousand times.
// They are left out, because each call stops here.
const leftOut = "UseAfterClose|Stress|Against|Race|Storm|Histor|Scheduler|Moves|Alloc|Fuzz|Model|Concurrent|Random|LargeWrites|HugeWrite|Lost|Batch|Overflow|While|Reader|InLibrary|KeepsOrder|StartStopped|ChildTimes|RingFull|FullAt|NoCall|LetsCalls|ManyCalls|CallEnds|DoNotLinger"
