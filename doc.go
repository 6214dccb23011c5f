// Package iofd is the whole library in one import. It has a name for every exported
// name of iface, fd and the handle packages. It has no logic of its own. Types are
// aliases, so a program can use this package and a handle package together. Each
// comment links to the full documentation.
//
// # Names
//
//   - A constructor names its handle: [NewEventFD], [OpenPidFDThread], [StartPidFD].
//   - The constructor from a descriptor follows the handle: [MemFDFromFD].
//   - A constant names its type: [SealWrite], [ClockMonotonic], [ProtReadOnly].
//   - An option names its handle: [MemFDAllowSealing].
//   - Errors keep their names: [ErrWouldBlock].
//
// [NewTimerFD], [NewTimerFDRealtime], [NewTimerFDBoottime] and [NewMemFDSealable] are
// shorthands for constructors with an argument.
//
// # Versions
//
// The module of this package requires a version of every handle. To use a single
// handle, or to pin the version of one, import the handle's own package. Do not import
// this one then. Package fdtest, which is for tests, has no names here.
//
// # Platforms
//
// On Linux the package has everything. On Darwin and FreeBSD it has the interfaces,
// [FD] and the functions of package fd. On other platforms it has the interfaces.
package iofd
