package option

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The real-time signals as the C library numbers them, which keeps two below.
const SigRTMin, SigRTMax = 34, 64

// Signal parses a number, or a name with or without SIG, RTMIN+3 included.
func Signal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= SigRTMax {
		return syscall.Signal(n), nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	for base, number := range map[string]int{"SIGRTMIN": SigRTMin, "SIGRTMAX": SigRTMax} {
		if offset, ok := strings.CutPrefix(name, base); ok {
			n, err := strconv.Atoi(offset)
			if number += n; (err == nil || offset == "") && number >= SigRTMin && number <= SigRTMax {
				return syscall.Signal(number), nil
			}
		}
	}
	return 0, errors.New("not a signal, such as TERM, SIGINT or 9")
}

// SignalName returns a name that Signal parses: TERM or RTMIN+3.
func SignalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return fmt.Sprintf("RTMIN+%d", sig-SigRTMin)
}
