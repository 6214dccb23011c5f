package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The real-time signals as the C library numbers them, which keeps two below.
const sigRTMin, sigRTMax = 34, 64

// parseSignal parses a number, or a name with or without SIG, RTMIN+3 included.
func parseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= sigRTMax {
		return syscall.Signal(n), nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	for base, number := range map[string]int{"SIGRTMIN": sigRTMin, "SIGRTMAX": sigRTMax} {
		if offset, ok := strings.CutPrefix(name, base); ok {
			n, err := strconv.Atoi(offset)
			if number += n; (err == nil || offset == "") && number >= sigRTMin && number <= sigRTMax {
				return syscall.Signal(number), nil
			}
		}
	}
	return 0, errors.New("not a signal, such as TERM, SIGINT or 9")
}

// signalName returns a name that parseSignal reads: TERM or RTMIN+3.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return fmt.Sprintf("RTMIN+%d", sig-sigRTMin)
}
