package memfd

import "fmt"

// Name returns the name that the file was created with. It works after Close, and
// for a MemFD from [FromFD] too. The name is for display: /proc shows it as
// "/memfd:name (deleted)". Several files may have the same name.
func (m *MemFD) Name() string { return m.name }

// Path returns a path to the file for this process, such as "/proc/self/fd/7". It
// returns "" if m is closed. Other processes that have the permission see the file
// as /proc/PID/fd/7.
//
// Opening the path makes a new open file description of the same file, with its
// own offset and access mode. Executing the path works for files created with
// [Executable].
//
// The path is borrowed like the number: after Close it may refer to another file.
func (m *MemFD) Path() string {
	if n := m.Fd(); n >= 0 {
		return fmt.Sprintf("/proc/self/fd/%d", n)
	}
	return ""
}
