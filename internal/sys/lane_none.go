//go:build darwin || freebsd || (linux && !(amd64 || arm64 || riscv64 || loong64))

package sys

// Without assembly there are no lanes: see lane_linux.go.

type (
	lane  struct{}
	rival struct{}
)

// HasLanes reports whether this process uses owner's lanes.
func HasLanes() bool { return false }

func (g *Guard) compete() {}

func (g *Guard) vacate() {}
