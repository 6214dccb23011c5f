// Package memfd keeps bytes in a file that has no place in any file system: a
// [MemFD] is anonymous memory behind a descriptor, see memfd_create(2). It is
// read, written and mapped like a file, passed to other processes like a
// descriptor, and gone when the last descriptor and mapping of it are.
//
// It is for memory that processes share without a path to agree on, and for data
// that its receiver need not distrust: seals forbid, for good and to everybody,
// that the file be written, shrunk or grown, so what was checked once stays
// checked ([NewSealed], [MemFD.Seal]). It is not for data that one process keeps
// to itself, for which a []byte does, nor for data that should survive it. The
// memory counts as shared memory, is swapped as such, and is charged to the
// process that first touches it.
//
// # Kernels
//
// Linux only; on other platforms the package is empty. Linux 3.17 has all but
// these:
//
//   - [HugeTLB]: 4.14, and 4.16 with seals
//   - [SealFutureWrite]: 5.1
//   - [SealExec], and files that cannot be made executable again: 6.3. Before
//     that, files are made without execute permission, but it can be given back.
//
// /proc must be mounted for [FromFD], and for what uses [MemFD.Path].
//
// # Pitfalls
//
// Memory that is mapped is at the mercy of all who share the file: who touches a
// page of a mapping beyond the end of the file, because somebody has truncated
// it since, gets SIGBUS, which ends a Go program. Only [SealShrink] keeps it from
// happening, so a receiver should look at [MemFD.Seals] before it maps, and
// before it trusts bytes not to change.
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
package memfd
