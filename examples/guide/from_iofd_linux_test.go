package guide_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd"
)

// Each exported name of the other library is in the first column of a table. Each name of
// the root package in the guide exists.
func TestNamesOfIofd03(t *testing.T) {
	blocks, text := divide(t, root+"/doc/from-iofd-0.3.md")
	first := make(map[string]bool) // names in the first column of a table
	quoted := regexp.MustCompile("`([^`]+)`")
	for _, line := range text {
		if cell, _, found := strings.Cut(strings.TrimPrefix(line, "| "), " | "); found {
			for _, name := range quoted.FindAllStringSubmatch(cell, -1) {
				first[name[1]] = true
			}
		}
	}
	for _, name := range readLines(t, "testdata/iofd-0.3.6.txt") {
		assert.True(t, first[name], "%s is in no first column", name)
	}

	var facade []string
	for _, path := range []string{"iofd.go", "iofd_linux.go", "iface.go", "shorthand_linux.go"} {
		facade = append(facade, readLines(t, root+"/"+path)...)
	}
	declared := strings.Join(facade, "\n")
	for _, b := range blocks {
		text = append(text, b.lines...)
	}
	names := regexp.MustCompile(`\biofd\.([A-Z]\w*)`).FindAllStringSubmatch(strings.Join(text, "\n"), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		assert.Regexp(t, `\b`+name[1]+`\b`, declared)
	}
}

// iox stands for code.hybscloud.com/iox.
var iox = struct{ ErrWouldBlock error }{errors.New("would block")}

// translate returns the errors that code for the other library compares with.
func translate(err error) error {
	if err == iofd.ErrWouldBlock {
		return iox.ErrWouldBlock
	}
	return err
}

func Example_translate() {
	e, err := iofd.NewEventFD(0)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	_, err = e.Wait()
	fmt.Println(errors.Is(err, iox.ErrWouldBlock), translate(err) == iox.ErrWouldBlock)
	// Output: false true
}

// zeroAtEnd is a Read that returns 0 and nil at the end of a file.
func zeroAtEnd(f *iofd.FD, p []byte) (int, error) {
	n, err := f.Read(p)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// waitInto stores the result in memory of the caller.
func waitInto(e *iofd.EventFD, value *uint64) (err error) {
	*value, err = e.Wait()
	return err
}

func Example_into() {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		log.Fatal(err)
	}
	unix.Close(p[1])
	f := iofd.NewFD(p[0])
	defer f.Close()
	_, err := f.Read(make([]byte, 1))
	fmt.Println(err)
	fmt.Println(zeroAtEnd(f, make([]byte, 1)))

	e, err := iofd.NewEventFD(1 << 40) // more than 32 bits
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	var value uint64
	err = waitInto(e, &value)
	fmt.Println(value == 1<<40, err)
	// Output:
	// EOF
	// 0 <nil>
	// true <nil>
}

// arm takes nanoseconds. An initial 0 disarms the timer.
func arm(t *iofd.TimerFD, initial, interval int64) error {
	if initial == 0 {
		return t.Disarm()
	}
	return t.Arm(time.Duration(initial), time.Duration(interval))
}

// armAt takes nanoseconds since 1970.
func armAt(t *iofd.TimerFD, deadline, interval int64) error {
	if deadline == 0 {
		return t.Disarm()
	}
	return t.ArmAt(time.Unix(0, deadline), time.Duration(interval))
}

func Example_arm() {
	t, err := iofd.NewTimerFDRealtime()
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	left := func(err error) {
		remaining, interval, err2 := t.Remaining()
		_, expired := t.Read()
		fmt.Println(remaining.Round(time.Hour), interval, err, err2, expired == nil)
	}
	left(arm(t, int64(time.Hour), int64(time.Second)))
	left(arm(t, 0, int64(time.Second)))
	left(armAt(t, time.Now().Add(2*time.Hour).UnixNano(), 0))
	left(armAt(t, 0, 0))
	// Output:
	// 1h0m0s 1s <nil> <nil> false
	// 0s 0s <nil> <nil> false
	// 2h0m0s 0s <nil> <nil> false
	// 0s 0s <nil> <nil> false
}

// newTable makes a file that this process maps. Its seals keep the size.
func newTable(size int) (*iofd.MemFD, *iofd.Mapping, error) {
	m, err := iofd.NewMemFDSealable("table") // was NewMemFDSealed
	if err != nil {
		return nil, nil, err
	}
	var region *iofd.Mapping
	err = m.Truncate(int64(size))
	if err == nil {
		err = m.Seal(iofd.SealShrink | iofd.SealGrow)
	}
	if err == nil {
		region, err = m.Map(0, size, iofd.ProtReadWrite) // was Mmap(size, PROT_READ|PROT_WRITE)
	}
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return m, region, nil
}

func Example_newTable() {
	m, region, err := newTable(4096)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	copy(region.Bytes(), "blue")
	pointer := unsafe.Pointer(unsafe.SliceData(region.Bytes())) // was Ptr
	fmt.Println(*(*byte)(pointer) == 'b', len(region.Bytes()))  // was Len

	p := make([]byte, 4)
	n, err := m.ReadAt(p, 0) // was Pread
	fmt.Println(n, err, string(p))
	n, err = m.ReadAt(p, 4094) // fewer bytes come with an error
	fmt.Println(n, err)
	n, err = m.WriteAt([]byte("cyan"), 0) // was Pwrite
	fmt.Println(n, err, string(region.Bytes()[:4]))
	fmt.Println(region.Close(), region.Bytes() == nil) // was Unmap
	// Output:
	// true 4096
	// 4 <nil> blue
	// 2 EOF
	// 4 <nil> cyan
	// <nil> true
}

// A request holds a number by value, as a submission queue entry does.
type request struct {
	fd     int32
	buf    []byte
	source *source
}

// A source is a descriptor for its time in the ring.
type source struct {
	pin      *iofd.Pin
	inFlight int
	leaving  bool
}

// attach brings a descriptor into the ring. Its number is not reused until leave.
func attach(f *iofd.FD) (*source, error) {
	pin, err := f.Pin()
	if err != nil {
		return nil, err // ErrClosed
	}
	return &source{pin: pin}, nil
}

// read makes a request. It costs no system call and allocates nothing.
func (s *source) read(buf []byte) request {
	s.inFlight++
	return request{int32(s.pin.Number()), buf, s}
}

// completed is called for each completion of a request.
func (s *source) completed() {
	s.inFlight--
	s.unpin()
}

// leave takes the descriptor out of the ring, after the last completion.
func (s *source) leave() {
	s.leaving = true
	s.unpin()
}

func (s *source) unpin() {
	if s.leaving && s.inFlight == 0 {
		s.pin.Unpin()
	}
}

// Close does not take the number from requests in flight. The last completion closes it.
func TestSourceOutlivesClose(t *testing.T) {
	e, err := iofd.NewEventFD(7)
	require.NoError(t, err)
	number := e.Fd()
	s, err := attach(e.FD())
	require.NoError(t, err)
	queue := []request{s.read(make([]byte, 8)), s.read(make([]byte, 8))}
	require.NoError(t, e.Close())
	_, err = attach(e.FD())
	assert.ErrorIs(t, err, iofd.ErrClosed)

	other, err := os.Open("/dev/zero")
	require.NoError(t, err)
	defer other.Close()
	assert.NotEqual(t, uintptr(number), other.Fd(), "the number is reused")
	s.leave()
	var results []error
	for _, r := range queue { // what the kernel does with the numbers
		_, err := unix.Read(int(r.fd), r.buf)
		results = append(results, err)
		r.source.completed()
	}
	assert.Equal(t, []error{nil, unix.EAGAIN}, results)
	assert.True(t, slices.ContainsFunc(queue[0].buf, func(b byte) bool { return b == 7 }))
	_, err = unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
	assert.Equal(t, unix.EBADF, err)
}

func TestReadAllocatesNothingInRing(t *testing.T) {
	e, err := iofd.NewEventFD(0)
	require.NoError(t, err)
	defer e.Close()
	s, err := attach(e.FD())
	require.NoError(t, err)
	defer s.leave()
	buf := make([]byte, 8)
	var last request
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		last = s.read(buf)
		s.completed()
	}))
	assert.Equal(t, int32(e.Fd()), last.fd)
}
