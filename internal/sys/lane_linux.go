//go:build amd64 || arm64 || riscv64 || loong64

package sys

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A lane lets one goroutine, its owner, make raw calls on a number without
// being counted: with plain loads and stores, where the count of a Guard takes
// two locked instructions. Each owner has a lane of his own, and a guard at most
// one lane at a time.
//
// The owner's call is one assembly routine, laneCall3 or laneCall4, which the Go
// scheduler cannot preempt. With its steps numbered, and g the running goroutine:
//
//	O1  l = the guard's lane; l.owner != g: not ours, take the shared lane
//	O2  l.busy = 1
//	O3  the guard's lane != l: l.busy = 0, take the shared lane
//	O4  word is not open, or not raw, or closing or paused: l.busy = 0, shared lane
//	O5  the system call, on the number in the word that O4 loaded
//	O6  l.busy = 0
//
// Whoever closes the number, gives it up or takes raw away first sets closing or
// paused in the word, being counted as a user, and then vacates the lane; who
// wants to be the owner himself, being counted too, does the same but for the
// word:
//
//	V1  the guard's lane = vacating, by compare-and-swap from l
//	V2  membarrier(2)
//	V3  wait until l.busy == 0
//	V4  the guard's lane = none, or the new owner's
//	V5  leave
//
// Why no call of the owner is under way after V3. O2 and O3 are a store and a
// load, V1 and V3 too, of the same two places the other way round. If the
// processor kept them in order, either O3 would see V1, or V3 would see O2: they
// could not both miss. It does not keep the owner's in order, as O2 may wait in
// its store buffer while O3 is done. V2 makes up for that: when
// MEMBARRIER_CMD_PRIVATE_EXPEDITED returns, each thread of the process that was
// running has gone through a full memory barrier since V1, by an interrupt, and
// each that was not has in being switched in. Where that barrier falls before
// O3, O3 sees V1, as V1 was before the barrier. Where it falls after O3, and so
// after O2, V3 sees O2. All the cost of the order is V's, which is rare.
//
// Why each owner has a lane of his own. One that was held up between O1 and O2
// may get there when V is long over: he marks, sees in O3 that he is too late, and
// clears his mark. If that were the mark of his successor too, it would be
// cleared during the successor's call. The memory of such a lane is not used
// again before: the collector has to stop his goroutine first, and cannot in the
// routine.
//
// O4 is for those who become owners late. A goroutine G takes the lane while it
// is counted. If it left, V5, before closing or paused was set, then whoever set
// that finds G in V1 and turns it out. If it left after, then G has seen the mark
// by its own read-modify-write of the word, and sees it again in O4. Between the
// two, the mark's owner counts G's use and waits for it.
//
// Why V1 to V3 need not be repeated where somebody else is at it (the lane is
// vacating): that one is counted until V5, and the number is closed, given up or
// made blocking only when nobody else is counted. And where there is no lane, the
// last was vacated.
//
// The order of the rest. O6 comes after all that O5 did: amd64 does not reorder a
// store with what is before it; elsewhere O6 is a store-release, or has a barrier
// before it. O4 may be done before O3: if O3 then finds l, V3 finds O2, and the
// number that O4 saw is not closed yet; and the word that G saw when it took the
// lane it cannot unsee. The guard's lane in O3 is l itself, so the loads from it
// in O1 need no order.
//
// The identity of a goroutine is the address of its g, which is never followed.
// When the goroutine ends, its g may serve another, which then owns the lane: as
// only one runs on a g at a time, that is as good. A signal handler runs on a g
// of its own, so it takes the shared lane.
type lane struct {
	owner uintptr       // constant
	busy  atomic.Uint32 // stored by the assembly only
	_     [52]byte      // a cache line each: all are stored to all the time
}

// vacating stands for a lane while its owner is turned out. No g has the
// address 1.
var vacating = &lane{owner: 1}

// A rival is the goroutine that makes calls in the shared lane now, and how many
// it has made in a row: hints, which the callers may garble among them.
type rival struct {
	g     uintptr
	calls uint32
}

const (
	// notOwner is what laneCall3 and laneCall4 return when the call is to be made
	// in the shared lane. No system call returns it.
	notOwner = -4096

	// The upper half of a word, as O4 looks at it: laneCall3 for calls that do not
	// block while raw is set, laneCall4 for those that never do.
	laneMask3 = (open | closing | paused | raw) >> 32
	laneOpen3 = (open | raw) >> 32
	laneMask4 = (open | closing | paused) >> 32
	laneOpen4 = open >> 32

	_ = uint32(laneMask3 | laneOpen3 | laneMask4 | laneOpen4) // immediates of the assembly
)

// When a goroutine has made so many calls in a row in the shared lane, it takes
// the lane: soon where it has no owner, otherwise seldom enough that the cost of
// V does not matter.
var (
	callsToTake uint32 = 32
	callsToOust uint32 = 8192
)

// lanes decides, at the first call that could use one, whether there are lanes
// in this process: not in race builds, whose calls the race detector follows; not
// where membarrier(2) is missing (before Linux 4.14) or refused, by seccomp(2) for
// instance; and not if the environment says IOFD_LANE=shared. IOFD_LANE=owner
// makes every call take the lane, for tests.
var lanes = sync.OnceValue(func() bool {
	if raceEnabled {
		return false
	}
	switch os.Getenv("IOFD_LANE") {
	case "shared":
		return false
	case "owner":
		callsToTake, callsToOust = 0, 0
	}
	return membarrier(membarrierRegister) == 0
})

// The commands of membarrier(2), which x/sys does not have.
const (
	membarrierExpedited = 1 << 3 // MEMBARRIER_CMD_PRIVATE_EXPEDITED
	membarrierRegister  = 1 << 4 // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
)

// barrier is the command of V2: a variable for a test.
var barrier uintptr = membarrierExpedited

func membarrier(command uintptr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0)
	return errno
}

// HasLanes reports whether this process uses owner's lanes.
func HasLanes() bool { return lanes() }

// compete considers the caller, which has just made a raw call in the shared
// lane and has not left yet, for the lane.
func (g *Guard) compete() {
	if raceEnabled {
		return
	}
	self := currentG()
	if g.rival.g != self {
		g.rival = rival{g: self}
	}
	g.rival.calls++
	calls, l := g.rival.calls, g.lane.Load()
	switch {
	case calls <= callsToTake || l == vacating || !lanes():
	case l == nil:
		g.lane.CompareAndSwap(nil, &lane{owner: self})
	case l.owner != self && calls > callsToOust && g.lane.CompareAndSwap(l, vacating):
		g.rival.calls = 0
		l.drain()
		g.lane.Store(&lane{owner: self})
	}
}

// vacate turns the owner out. The caller is counted, and has marked the word so
// that no owner can stay.
func (g *Guard) vacate() {
	for {
		l := g.lane.Load()
		switch {
		case l == nil || l == vacating:
			return
		case l.owner == currentG():
			// We are not in a call, and so nobody is.
			if g.lane.CompareAndSwap(l, nil) {
				return
			}
		case g.lane.CompareAndSwap(l, vacating):
			l.drain()
			g.lane.Store(nil)
			return
		}
	}
}

// drain returns when the owner that was, which finds that it is not any more,
// is in no call.
func (l *lane) drain() {
	if membarrier(barrier) != 0 {
		// Refused since it was registered. The collector stops every goroutine for a
		// moment, and the owner is not stopped in its call.
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
	}
	for try := 0; l.busy.Load() != 0; try++ {
		backoff(try)
	}
}
