// Package memfd provides files in memory. A [MemFD] is anonymous memory with a descriptor
// and without a path, see memfd_create(2). A program reads, writes and maps it like a
// file, and passes it to other processes like a descriptor. The kernel frees the memory
// with the last descriptor and the last mapping.
//
// A MemFD has three uses:
//
//   - Processes share memory without a path. [NewShared] makes and maps it, and
//     [Mapping.Uint32] and [Mapping.Uint64] are words in it.
//   - A receiver uses data without trust in its sender. Seals forbid every process to
//     change the content or the size, and cannot be removed. Data that was checked once
//     stays as it was. See [NewSealed], [MemFD.Seal] and [MemFD.Immutable].
//   - A program keeps keys in pages that the kernel itself does not map, see [NewSecret].
//
// Data of a single process needs only a []byte, and a stream of messages needs a pipe or a
// socket. The memory counts as shared memory, and the kernel may swap it, except huge pages
// and secret memory. The kernel charges a page to the cgroup of the process that first
// touches it, see cgroups(7).
//
// # A first program
//
//	file, err := memfd.NewSealed("config", []byte(`{"port": 80}`)) // no process can change it
//	if err != nil {
//		return err
//	}
//	defer file.Close()
//	inherited, err := file.File("config")
//	if err != nil {
//		return err
//	}
//	defer inherited.Close()
//	cmd.ExtraFiles = []*os.File{inherited} // descriptor 3 of the child
//	err = cmd.Run()
//
// # Passing
//
// [MemFD.SendTo] and [ReceiveFrom] pass a file over a Unix socket. A message is the byte
// 'm' (0x6d) with one descriptor, as SCM_RIGHTS with one int, see unix(7). On a stream it
// is the next byte; otherwise it is a datagram or packet of one byte. There is no reply. A
// program in C sends or receives it with one sendmsg(2) or recvmsg(2). A stream can have
// other messages before and after, if both sides know their places. A Read of the byte
// loses the descriptor.
//
// A receiver that does not trust the sender requires the seals that its use needs:
//
//   - [SealWrite], [SealShrink] and [SealGrow] to look at bytes twice, to parse in place
//     and to pass the memory on.
//   - SealShrink to access a mapping without the danger of SIGBUS, except for huge pages:
//     see Pitfalls.
//
// The receiver also checks the size before it maps the file or reads all of it. One call
// makes a file of a terabyte. Such a file uses no memory until a page is touched, but the
// receiver pays for each page that it touches through a mapping, even if it only reads.
// [MemFD.Read] and [MemFD.ReadAt] touch no page that was never written.
//
// # Kernels
//
// Linux only; on other platforms the package is empty. Everything works from Linux 6.9 on.
//
// Older kernels work in part. If the kernel lacks a feature, the error matches
// errors.ErrUnsupported unless the feature says otherwise. The tests run on Linux 5.10 and
// later. Linux 3.17 has all except:
//
//   - [HugeTLB] requires Linux 4.14, and 4.16 with seals.
//   - [SealFutureWrite] requires Linux 5.1.
//   - [FromFD], [ReceiveFrom], [MemFD.ReopenReadOnly] and [MemFD.Start] require Linux 5.6,
//     because they open files of /proc by openat2(2).
//   - [NewSecret] requires Linux 5.14. Before 6.5 it is off by default. Some ports lack it;
//     amd64, arm64 and riscv64 have it.
//   - [SealExec] requires Linux 6.3.
//   - [MemFD.Allocate] requires Linux 4.3 for huge pages.
//   - [Advice] constants name their kernels. [Populate] requires Linux 5.14.
//   - [MemFD.WriteAt] requires Linux 6.9 if O_APPEND is set.
//
// Some kernels from Linux 6.3 on do not enforce every seal that they report, such as
// 6.16.12, 6.17.13, 6.18.15 and 6.19.14. See [MemFD.Seals] and [New] for the effects.
//
// [FromFD], [ReceiveFrom], [MemFD.ReopenReadOnly], [MemFD.Start] and [MemFD.Path] require
// a mounted /proc.
//
// # Execution
//
// A new file is not executable without [Executable]. Its owner can change that. SealExec
// forbids chmod(2), but not a POSIX ACL, see [SealExec]. [MemFD.Start] runs a file as a
// program.
//
// # Errors
//
// The error of a system call is an *os.SyscallError. The package adds a reason if a seal, a
// mapping, the access mode, huge pages or secret memory cause the error. An argument error
// names the argument and matches EINVAL. A closed MemFD returns [fd.ErrClosed], whatever
// the arguments are.
//
// # Pitfalls
//
// Another process can truncate a file that is mapped. An access to a lost page then raises
// SIGBUS, which ends a Go program. [SealShrink] prevents that. Check [MemFD.Seals] before
// you map a received file.
//
// SealShrink does not prevent it for [HugeTLB] files, which take their pages from a pool
// that may be empty. Map reserves pages in the pool. If any process then punches a hole,
// the reservation is lost. A later access takes a page from the pool, and raises SIGBUS if
// the pool is empty. [SealWrite] and [SealFutureWrite] forbid holes. A receiver therefore
// requires SealShrink with one of them, or accepts no huge pages. For huge pages
// fstatfs(2) returns HUGETLBFS_MAGIC:
//
//	var st unix.Statfs_t
//	err := unix.Fstatfs(m.Fd(), &st)
//	huge := err == nil && uint32(st.Type) == unix.HUGETLBFS_MAGIC
//
// A read-only descriptor protects nothing, because a process that has it can open the file
// for writing through /proc/self/fd. Seals protect.
//
// A [ReadOnly] mapping that was made before the file was sealed counts as writable for the
// kernel, because mprotect(2) could make it so. While any process has one, or a transfer
// such as O_DIRECT holds pages, [MemFD.Seal] returns EBUSY for SealWrite: seal first, then
// map and send.
//
// The file offset and O_APPEND belong to the open file description. A [MemFD.Dup], a child
// and a receiver share them. [MemFD.ReadAt] does not use them, and [MemFD.WriteAt] does not
// from Linux 6.9.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included. Read, Write
// and Seek of a MemFD and its Dups exclude each other. Concurrent Reads therefore get
// different bytes, and no Write overwrites another. ReadFrom and WriteTo consist of many
// such calls. The kernel does not exclude these calls on a memfd, so another process or a
// [MemFD.File] can use the file offset in between. Use ReadAt and WriteAt there. The users
// of a mapping synchronize their accesses themselves.
//
// Concurrent SendTos on one connection are in sequence, and so are ReceiveFroms. One
// ReceiveFrom gets each file. For the race detector, accesses before WriteAt or SendTo
// happen before the return of the ReadAt or ReceiveFrom that gets the data.
package memfd
