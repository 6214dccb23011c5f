// Package downstream moves programs of other projects to this library. Its tests run the
// programs' own tests before and after. From the repository's root:
//
//	GOWORK=off go -C test/downstream test -count=1 -v .
//
// They fail if a test that passes before does not pass after. The go command fetches
// the modules that go.mod names, and a copy in a temporary directory gets the patch of
// the program, from patches/. README.md says what was learnt.
package downstream
