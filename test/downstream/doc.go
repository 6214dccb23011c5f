// Command downstream moves programs that others wrote over to this library, and
// runs their own tests before and after, from the repository's root:
//
//	GOWORK=off go -C test/downstream run .                       # all of them
//	GOWORK=off go -C test/downstream run . -bench 41 fsnotify    # or their benchmarks
//	GOWORK=off go -C test/downstream test -count=1 ./...         # the same as a test
//
// It fails where a test that passes before does not pass after. Nothing of theirs
// is kept here: the go command fetches the modules that go.mod names, and a copy in
// a temporary folder gets the few changed lines and a file of ours. README.md says
// what was learnt.
package main
