package main

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed wake/wake.c
var wakeSource []byte

// inC returns the same work in C, or adds a note why it is missing.
func inC(o *opened, name, argument string) []way {
	program, err := compile(o)
	if err != nil {
		o.note("the way in C is missing: %v", err)
		return nil
	}
	c, err := start(o, exec.Command(program, argument))
	if err != nil {
		o.note("the way in C is missing: %v", err)
		return nil
	}
	return []way{c.way(name)}
}

func compile(o *opened) (program string, err error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "iofd-bench-")
	if err != nil {
		return "", err
	}
	o.atEnd(func() error { return os.RemoveAll(dir) })
	source := filepath.Join(dir, "wake.c")
	program = filepath.Join(dir, "wake")
	if err := os.WriteFile(source, wakeSource, 0o600); err != nil {
		return "", err
	}
	return program, exec.Command(cc, "-O2", "-pthread", "-o", program, source).Run()
}
