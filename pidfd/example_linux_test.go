package pidfd_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

func ExampleStart() {
	cmd := exec.Command("sh", "-c", "echo working; exit 3")
	cmd.Stdout = os.Stdout
	p, err := pidfd.Start(cmd)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	status, err := p.WaitContext(ctx)
	if err != nil {
		_ = p.SendSignal(syscall.SIGKILL)
	}
	_ = cmd.Wait() // reaps, and waits for the output

	fmt.Println(status)
	// Output:
	// working
	// exit status 3
}

func ExamplePidFD_SendSignal() {
	cmd := exec.Command("sleep", "100")
	p, err := pidfd.Start(cmd)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	fmt.Println(p.SendSignal(syscall.SIGTERM))
	fmt.Println(p.WaitContext(context.Background()))
	_ = cmd.Wait()
	fmt.Println(errors.Is(p.SendSignal(syscall.SIGTERM), os.ErrProcessDone))
	// Output:
	// <nil>
	// signal: terminated <nil>
	// true
}

// Supervising a service that is not a child.
func ExamplePidFD_Info() {
	watch := func(ctx context.Context, pid int) error {
		p, err := pidfd.Open(pid)
		if err != nil {
			return err
		}
		defer p.Close()
		info, err := p.Info()
		if err != nil {
			return err
		}
		if info.Creds != nil {
			fmt.Printf("%d, child of %d, runs as user %d\n", info.PID, info.PPID, info.Creds.EUID)
		}
		if err := p.Exited(ctx); err != nil {
			return err
		}
		if err := p.Reaped(ctx); err != nil {
			return err // its parent has not asked yet, or an old kernel
		}
		switch info, err = p.Info(); {
		case errors.Is(err, os.ErrProcessDone):
			fmt.Println("it has ended") // on an old kernel
		case err == nil && info.Exit != nil:
			fmt.Println(info.Exit) // "exit status 1"
		}
		return nil
	}
	_ = watch(context.Background(), 4711)
}

func ExamplePidFD_Usage() {
	watch := func(ctx context.Context, p *pidfd.PidFD, limit int64) error {
		for {
			usage, err := p.Usage()
			if errors.Is(err, os.ErrProcessDone) {
				return nil
			}
			if err != nil {
				return err
			}
			if usage.RSS > limit {
				return p.SendSignal(syscall.SIGTERM)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		}
	}
	_ = watch
}

// A service for root alone. It checks the user that the client had when it connected.
// The client may have become root by a set-user-ID program since, which Info would
// report. The PidFD reports the end of the client.
func ExampleFromPeer() {
	serve := func(ctx context.Context, conn *net.UnixConn) error {
		raw, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		var who *unix.Ucred
		var credErr error
		if err := raw.Control(func(socket uintptr) {
			who, credErr = unix.GetsockoptUcred(int(socket), unix.SOL_SOCKET, unix.SO_PEERCRED)
		}); err != nil {
			return err
		}
		if credErr != nil {
			return credErr
		}
		if who.Uid != 0 {
			return unix.EPERM
		}
		client, err := pidfd.FromPeer(raw)
		if err != nil {
			return err
		}
		defer client.Close()
		return client.Exited(ctx)
	}
	_ = serve
}

func ExampleOpenThread() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread, err := pidfd.OpenThread(unix.Gettid())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer thread.Close()
	_ = thread.SendSignal(syscall.SIGURG) // to this thread, not to the process
}

func ExamplePidFD_SendSignalTo() {
	cmd := exec.Command("sh", "-c", "sleep 100 | sleep 100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the shell leads
	p, err := pidfd.Start(cmd)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	if err := p.SendSignalTo(syscall.SIGTERM, pidfd.ProcessGroup); err != nil {
		_ = p.SendSignal(syscall.SIGTERM)
	}
	_ = cmd.Wait()
}

func ExamplePidFD_Queue() {
	p, err := pidfd.Open(4711)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	const sigReload = syscall.Signal(40) // SIGRTMIN+6
	if err := p.Queue(sigReload, 3); err != nil {
		fmt.Println(err)
	}
}

func ExamplePidFD_ID() {
	seen := make(map[uint64]bool)
	first := func(p *pidfd.PidFD) (bool, error) {
		id, err := p.ID() // unlike a PID, the kernel does not reuse it
		if err != nil {
			return false, err
		}
		defer func() { seen[id] = true }()
		return !seen[id], nil
	}
	_ = first
}

// Entering the network namespace of a container, by any of its processes.
func ExamplePidFD_Namespace() {
	enter := func(p *pidfd.PidFD) error {
		ns, err := p.Namespace(pidfd.NetNamespace)
		if err != nil {
			return err
		}
		defer ns.Close()
		runtime.LockOSThread() // until the thread ends: its namespace is not that of the process
		return unix.Setns(ns.Fd(), unix.CLONE_NEWNET)
	}
	_ = enter
}

// A service that gets five seconds to end in good order.
func ExamplePidFD_Terminate() {
	service := exec.Command("sleep", "100")
	p, err := pidfd.Start(service)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	defer service.Wait() // reaps

	ctx := context.Background()
	fmt.Println(p.Terminate(ctx, 5*time.Second))
	fmt.Println(p.Terminate(ctx, 5*time.Second)) // the same, and no signal
	// Output:
	// signal: terminated <nil>
	// signal: terminated <nil>
}

// A daemon that is not a child has its status from its parent. If the parent has not
// reaped the daemon, the error matches ErrEnded.
func ExamplePidFD_Terminate_notChild() {
	stop := func(ctx context.Context, pid int) error {
		p, err := pidfd.Open(pid)
		if errors.Is(err, os.ErrProcessDone) {
			return nil
		}
		if err != nil {
			return err
		}
		defer p.Close()
		_, err = p.Terminate(ctx, 5*time.Second)
		if errors.Is(err, pidfd.ErrEnded) {
			return nil
		}
		return err
	}
	fmt.Println(stop(context.Background(), math.MaxInt32)) // no process has this PID
	// Output:
	// <nil>
}

// Work for a client stops if the client ends.
func ExamplePidFD_Context() {
	client := exec.Command("sh", "-c", "exit 1")
	p, err := pidfd.Start(client)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	defer client.Wait() // reaps

	ctx, cancel := p.Context(context.Background())
	defer cancel()
	select {
	case <-time.After(time.Hour): // the work
		fmt.Println("done")
	case <-ctx.Done():
		fmt.Println(context.Cause(ctx))
		fmt.Println(errors.Is(context.Cause(ctx), pidfd.ErrEnded))
	}
	// Output:
	// iofd: pidfd: the process has ended
	// true
}
