// Package fdtest finds descriptors that tests leave open. For an
// [code.hybscloud.com/iofd/fd.FD], or a handle built on one, it prints the stack of the
// call that made it. No finalizer closes an FD, so tests have to find leaks.
//
//	func TestMain(m *testing.M) { fdtest.Main(m) }
//
// makes a test binary fail if a descriptor is open after all tests. [NoLeaks] does so
// for a single test. Both also report descriptors that no FD owns, by number and object
// alone: a released number, an os.File, a connection.
//
// A closed FD is reported if a pin or a call keeps its number open. A released FD is not
// reported, but its number is. A descriptor that Take moved to another FD keeps its
// stack. Both wait up to one second for other goroutines to close descriptors.
//
// Numbers above 4095 are not checked: the kernel gives the lowest that is free. In a
// test binary that uses fdtest, opening and closing an FD takes half a microsecond more.
//
// The package is empty except on Linux, Darwin and FreeBSD.
package fdtest
