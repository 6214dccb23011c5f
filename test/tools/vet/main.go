// Command vet finds what "go vet" finds, for any GOOS and GOARCH in a few seconds:
// it checks the types of what is imported from its source, where "go vet" compiles
// that first.
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/suite/vet"
)

func main() { multichecker.Main(vet.Suite...) }
