// Command strangers moves programs that others wrote over to this library, and
// runs their own tests on what comes of it:
//
//	GOWORK=off go -C strangers run .               # all programs, as a table
//	GOWORK=off go -C strangers run . -bench fsnotify netpoll
//	GOWORK=off go -C strangers test ./...          # the same as a test
//
// For each program it builds the tests of the version that go.mod names, as they
// are and with its raw descriptor number replaced by a handle, runs both, and fails
// where a test that passes before does not pass after. Nothing of theirs is kept
// here: the go command fetches the modules, and an overlay puts the few changed
// lines and a file of ours in their place, for the one build.
package main
