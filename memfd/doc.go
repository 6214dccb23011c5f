// Package memfd keeps bytes in a file that has no place in any file system: a
// [MemFD] is anonymous memory behind a descriptor, see memfd_create(2). It is
// read, written and mapped like a file, passed to other processes like a
// descriptor, and gone when the last descriptor and mapping of it are.
//
// It is for memory that processes share without a path to agree on, and for data
// that its receiver need not distrust: seals forbid, for good and to everybody,
// that the file be written, shrunk or grown, so what was checked once stays
// checked ([NewSealed], [MemFD.Seal], [MemFD.Immutable]). And it is for keys and
// the like, that not even the kernel should see ([NewSecret]). It is not for data
// that one process keeps to itself, for which a []byte does, nor for data that
// should survive it, nor for a stream of messages, for which there are pipes and
// sockets. The memory counts as shared memory, is swapped as such, and is charged to
// the process that first touches it.
//
// # Passing
//
// [MemFD.SendTo] and [ReceiveFrom] pass a file over a Unix socket. A message is the
// byte 'm' (0x6d) and one descriptor, as SCM_RIGHTS with one int, see unix(7): a
// stream's next byte, or a datagram or packet of one byte. Nothing else travels, and
// there is no answer, so a program in C sends and receives it by one sendmsg(2) or
// recvmsg(2). On a stream other messages can come before and after, if both sides
// know where; but to read the byte by Read loses the descriptor.
//
// A receiver that does not trust the sender requires the seals that its use takes:
// all three of [SealWrite], [SealShrink] and [SealGrow] to look at bytes twice, to
// parse in place or to hand the memory on; at least SealShrink to map the file and
// live. And it looks at the size before it maps or reads all: a file of a terabyte
// is made with one call. It costs nothing before it is touched, but each page that is
// looked at through a shared mapping does, and is the receiver's to pay.
//
// # Kernels
//
// Linux only; on other platforms the package is empty. Linux 3.17 has all but
// these, and where the running kernel lacks one,
// errors.Is(err, errors.ErrUnsupported) holds unless the feature says otherwise:
//
//   - [HugeTLB]: 4.14, and 4.16 with seals
//   - [SealFutureWrite]: 5.1
//   - [NewSecret]: 5.14, 6.5 without being asked for at boot; on some ports, amd64,
//     arm64 and riscv64 among them
//   - [SealExec], and files that cannot be made executable again: 6.3. Before
//     that, files are made without execute permission, but it can be given back.
//
// /proc must be mounted for [FromFD], [ReceiveFrom], [MemFD.ReopenReadOnly] and for
// what uses [MemFD.Path].
//
// # Errors
//
// What the kernel refuses is an *os.SyscallError, wrapped in a sentence where seals,
// a mapping, the access mode, huge pages or secret memory stand in the way. What
// is refused before the kernel is asked says which argument, with EINVAL inside. A
// closed file gives ErrClosed, whatever the arguments.
//
// # Pitfalls
//
// Memory that is mapped is at the mercy of all who share the file: who touches a
// page of a mapping beyond the end of the file, because somebody has truncated
// it since, gets SIGBUS, which ends a Go program. Only [SealShrink] keeps it from
// happening, so a receiver should look at [MemFD.Seals] before it maps, and
// before it trusts bytes not to change.
//
// A descriptor that is not open for writing protects nothing: whoever has it opens
// the file for writing through /proc/self/fd. Seals protect.
//
// The kernel counts a [ReadOnly] mapping made before a file was sealed as writable.
// SealWrite is refused while there is one, by whatever process, or while a transfer
// holds pages: seal first, then map and send.
//
// [HugeTLB] files take their pages from a pool that may be empty. Map reserves what
// it needs; but who punches a hole gives the reservation back, and a page touched
// there later is a SIGBUS if the pool has none left.
//
// The file offset belongs to the open file description: a [MemFD.Dup], a child
// and a receiver move it for all. [MemFD.ReadAt] and [MemFD.WriteAt] do not
// use it.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included.
// Read, Write and Seek of a MemFD and its Dups take turns, so that concurrent
// Reads get different bytes and no Write covers another; a ReadFrom or WriteTo
// is many of these. The kernel does not see to that for a memfd, as it does for
// files that were opened, so all others who share the open file description, be
// it in another process or through [MemFD.File], can get in between: ReadAt and
// WriteAt are for them. What goes on in a mapping is for its users to order.
//
// SendTos on one connection take turns, and so do ReceiveFroms: every file that was
// sent is received by one of them. For the race detector, what happens before a
// WriteAt or SendTo happens before the ReadAt or ReceiveFrom that gets it.
package memfd
