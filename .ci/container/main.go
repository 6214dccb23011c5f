// Container runs a command under the seccomp profile that Docker, containerd and
// Podman give a container by default.
//
//	container CAPABILITIES COMMAND [ARGUMENT...]
//
// CAPABILITIES are those that the container keeps, separated by commas. The profile
// allows more system calls to a container with more of them. The command has to
// drop the capabilities itself.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: container CAPABILITIES COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "container:", run(strings.Split(os.Args[1], ","), os.Args[2:]))
	os.Exit(1)
}

// run replaces the program with the command.
func run(capabilities, command []string) error {
	spec := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}}}
	profile, err := seccomp.GetDefaultProfile(spec)
	if err != nil {
		return err
	}
	program, err := compile(profile)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	// The filter is of this thread, and of what this thread executes. A container
	// may gain privileges by set-user-ID programs, so no_new_privs stays unset.
	runtime.LockOSThread()
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return &os.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, command, os.Environ())}
}

// Offsets in struct seccomp_data: the call, the architecture and arguments of 64 bits.
const callAt, archAt, argumentsAt = 0, 4, 16

func load(at int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(at)}
}

// compare skips instructions if the comparison of the loaded word with k is true,
// or false.
func compare(how uint16, k uint32, ifTrue, ifFalse int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, Jt: uint8(ifTrue), Jf: uint8(ifFalse), K: k}
}

func answer(action specs.LinuxSeccompAction, errno *uint) (unix.SockFilter, error) {
	ret := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	switch action {
	case specs.ActAllow:
		ret.K = unix.SECCOMP_RET_ALLOW
	case specs.ActErrno:
		ret.K = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		if errno != nil {
			ret.K = unix.SECCOMP_RET_ERRNO | uint32(*errno)
		}
	default:
		return ret, fmt.Errorf("action %s: not supported", action)
	}
	return ret, nil
}

// compile returns the program for the profile. The first rule of a call that
// matches decides. As in runc, a call that is newer than all calls of the profile
// fails with ENOSYS.
func compile(profile *specs.LinuxSeccomp) ([]unix.SockFilter, error) {
	table, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	otherwise, err := answer(profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	var rules []unix.SockFilter
	newest := 0
	for _, group := range profile.Syscalls {
		decision, err := answer(group.Action, group.ErrnoRet)
		if err != nil {
			return nil, err
		}
		conditions, err := match(group.Args)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", group.Names, err)
		}
		rule := append(conditions, decision)
		for _, name := range group.Names {
			number, known := table.SyscallNames[name]
			if !known {
				continue // a call of another architecture
			}
			newest = max(newest, number)
			rules = append(rules, load(callAt), compare(unix.BPF_JEQ, uint32(number), 0, len(rule)))
			rules = append(rules, rule...)
		}
	}
	if newest == 0 {
		return nil, errors.New("the profile names no system call of this architecture")
	}
	enosys := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
	program := []unix.SockFilter{
		load(archAt),
		compare(unix.BPF_JEQ, uint32(table.ID), 1, 0),
		otherwise,
		load(callAt),
		compare(unix.BPF_JGT, uint32(newest), 0, 1),
		enosys,
	}
	return append(slices.Concat(program, rules), otherwise), nil
}

// match returns instructions that skip the one behind them unless all conditions
// are met.
func match(conditions []specs.LinuxSeccompArg) ([]unix.SockFilter, error) {
	low, high := 0, 4
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		low, high = 4, 0
	}
	var all []unix.SockFilter
	for _, c := range slices.Backward(conditions) {
		at := argumentsAt + 8*int(c.Index)
		behind := len(all) + 1 // the instructions that a condition skips if it is not met
		lowWord, highWord := uint32(c.Value), uint32(c.Value>>32)
		var one []unix.SockFilter
		switch c.Op {
		case specs.OpEqualTo:
			one = []unix.SockFilter{
				load(at + high), compare(unix.BPF_JEQ, highWord, 0, behind+2),
				load(at + low), compare(unix.BPF_JEQ, lowWord, 0, behind),
			}
		case specs.OpNotEqual:
			one = []unix.SockFilter{
				load(at + high), compare(unix.BPF_JEQ, highWord, 0, 2),
				load(at + low), compare(unix.BPF_JEQ, lowWord, behind, 0),
			}
		case specs.OpMaskedEqual: // the value is the mask, the second value the result
			mask := func(word uint32) unix.SockFilter {
				return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: word}
			}
			one = []unix.SockFilter{
				load(at + high), mask(highWord), compare(unix.BPF_JEQ, uint32(c.ValueTwo>>32), 0, behind+3),
				load(at + low), mask(lowWord), compare(unix.BPF_JEQ, uint32(c.ValueTwo), 0, behind),
			}
		case specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual:
			one = ordered(c, at+low, at+high, behind)
		default:
			return nil, fmt.Errorf("comparison %s: not supported", c.Op)
		}
		all = append(one, all...)
	}
	return all, nil
}

// ordered compares for an order: first the upper words, and if they are equal the
// lower ones.
func ordered(c specs.LinuxSeccompArg, low, high, behind int) []unix.SockFilter {
	how, negated := uint16(unix.BPF_JGT), c.Op == specs.OpLessEqual || c.Op == specs.OpLessThan
	if c.Op == specs.OpGreaterEqual || c.Op == specs.OpLessThan {
		how = unix.BPF_JGE
	}
	yes, no := 0, behind
	if negated {
		yes, no = behind, 0
	}
	return []unix.SockFilter{
		load(high),
		compare(unix.BPF_JGT, uint32(c.Value>>32), yes+3, 0),
		compare(unix.BPF_JEQ, uint32(c.Value>>32), 0, no+2),
		load(low),
		compare(how, uint32(c.Value), yes, no),
	}
}
