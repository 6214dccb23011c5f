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
// To open the path makes a new open file description of the same file, with its own
// offset and access mode.
//
// Do not execute the path: exec.Command(m.Path()) can run another file. The child moves
// ExtraFiles to the numbers from 3 on before it executes the path, and one of them may
// replace the number in the path, see https://go.dev/issue/66654. A script fails too,
// because its interpreter no longer has the descriptor. Use [MemFD.Start].
//
// The path is borrowed like the number: after Close it may refer to another file. It is
// also only as true as the file system that is mounted at /proc. Path does not check that
// it is procfs. The methods of MemFD that use /proc do.
func (m *MemFD) Path() string {
	if n := m.Fd(); n >= 0 {
		return fmt.Sprintf("/proc/self/fd/%d", n)
	}
	return ""
}
