// Package fdtest finds descriptors that tests leave open, with the stack of where
// each was made if it is that of an [code.hybscloud.com/iofd/fd.FD], or of a handle
// built on one. No finalizer closes those, so somebody has to notice.
//
//	func TestMain(m *testing.M) { fdtest.Main(m) }
//
// has a test binary fail if anything is left when all tests have run, and
// [NoLeaks] a single test. Both look at descriptors that no FD owns too: a number
// that was released, an os.File or a connection. Of these they can only say that
// they are there, and what they are.
//
// An FD that was closed while a pin or a call keeps its number open is left open,
// and reported as such. One that was released is not; its number may be. A
// descriptor that passes from one FD to another by Take stays what it was, made
// where it was made. What others are about to close they get a second for.
//
// Numbers over 4095 are not looked at; the kernel gives the lowest that is free.
// The life of an FD takes half a microsecond more where it is watched. Where it is
// not it takes three comparisons with nil more, and calls on an FD nothing.
//
// It is there on Linux, Darwin and FreeBSD; elsewhere the package is empty.
package fdtest
