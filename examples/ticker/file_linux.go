package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// beside returns the name of the temporary file that replaces a file. It returns false if the
// file is not replaced but written, such as /dev/stdout.
func beside(name string) (fresh string, replaced bool) {
	info, err := os.Lstat(name)
	return fmt.Sprintf("%s.%d", name, os.Getpid()), err != nil || info.Mode().IsRegular()
}

// checkFile reports whether writeFile can most likely write a file.
func checkFile(name string) error {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return &os.PathError{Op: "open", Path: name, Err: unix.EISDIR}
	}
	fresh, replaced := beside(name)
	if !replaced {
		return nil
	}
	if err := os.WriteFile(fresh, nil, 0o666); err != nil {
		return err
	}
	return os.Remove(fresh)
}

// writeFile is os.WriteFile. If it fails, or the program ends meanwhile, an older file stays.
func writeFile(name string, data []byte) error {
	fresh, replaced := beside(name)
	if !replaced {
		return os.WriteFile(name, data, 0o666)
	}
	err := os.WriteFile(fresh, data, 0o666)
	if err == nil {
		err = os.Rename(fresh, name)
	}
	if err != nil {
		_ = os.Remove(fresh)
	}
	return err
}
