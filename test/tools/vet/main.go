// Command vet runs the analyzers of "go vet" for any GOOS and GOARCH in a few seconds.
// It type-checks imported packages from source, whereas "go vet" compiles them first.
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/suite/vet"
)

func main() { multichecker.Main(vet.Suite...) }
