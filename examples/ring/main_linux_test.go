package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestHelp(t *testing.T) {
	exampletest.CheckHelp(t, "-chunk", "-size", "-rounds", "-trips", "-ring")
}

func TestBadInput(t *testing.T) {
	for _, c := range []struct{ args, names string }{
		{"-nonsense", "-nonsense"},
		{"surplus", `"surplus"`},
		{"consumer please", `"consumer"`},
		{"-chunk", "-chunk"},
		{"-chunk=", "16MiB"},
		{"-chunk 64,", "16MiB"},
		{"-chunk 0", `"0"`},
		{"-chunk -1", `"-1"`},
		{"-chunk 17MiB", "17MiB"},
		{"-chunk 64,big", "big"},
		{"-size 0", `"0"`},
		{"-size -1", `"-1"`},
		{"-size -1GiB", `"-1GiB"`},
		{"-size 1.5KiB", "1.5KiB"},
		{"-size 1TB", "1TB"},
		{"-size 9223372036854775807GiB", "1024GiB"},
		{"-size KiB", `"KiB"`},
		{"-rounds 0", `"0"`},
		{"-rounds 1000001", "1000000"},
		{"-rounds many", "many"},
		{"-trips -1", `"-1"`},
		{"-trips 1e3", "1e3"},
		{"-ring 0", `"0"`},
		{"-ring 5000", "power of two"},
		{"-ring 2KiB", "4KiB to 1GiB"},
		{"-ring 2GiB", "4KiB to 1GiB"},
		{"-ring 3KiB", "3KiB"},
	} {
		exampletest.CheckFails(t, exampletest.Command(t, strings.Fields(c.args)...), 2, c.names)
	}
}

func TestOptions(t *testing.T) {
	o, err := parse(strings.Fields("-chunk 64,4KiB,1MiB -size 2GiB -rounds 3 -trips 0 -ring 1048576"))
	require.NoError(t, err)
	assert.Equal(t, &options{chunks: []int{64, 4096, 1 << 20}, size: 2 << 30, rounds: 3, ring: 1 << 20}, o)
	assert.Equal(t, int64(2<<30), o.sizeFor(64))
	o, err = parse(nil)
	require.NoError(t, err)
	assert.EqualValues(t, 4<<20, o.sizeFor(64))
	assert.EqualValues(t, 64<<20, o.sizeFor(64<<10))
	for n, want := range map[int64]string{0: "0", 1: "1", 1000: "1000", 1024: "1KiB", 3 << 20: "3MiB", 1 << 40: "1024GiB"} {
		assert.Equal(t, want, inBytes(n))
	}
}

// All bytes come by all ways, whatever the sizes.
func TestReport(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	for _, args := range []string{
		"-rounds 2 -size 100003 -chunk 1,77,4KiB -ring 4KiB -trips 10",
		"-rounds 3 -size 1 -chunk 64KiB -trips 1",
		"-rounds 1 -size 20MiB -chunk 16MiB,65521 -ring 1MiB -trips 0",
	} {
		status, stdout, stderr := systest.Result(t, exampletest.Command(t, strings.Fields(args)...))
		require.Zero(t, status, stderr)
		assert.Empty(t, stderr, "no terminal")
		rows := strings.Count(args, ",") + 1
		if !strings.Contains(args, "-trips 0") {
			rows++
			assert.Contains(t, stdout, "\nthere and back  ring ")
		}
		for _, name := range wayNames {
			lines := regexp.MustCompile(" "+name+` +\d`).FindAllString(stdout, -1)
			assert.Len(t, lines, rows, "%s\n%s", args, stdout)
		}
		assert.Regexp(t, `\n +pipe +[\d.e+]+ \([\d.e+]+–[\d.e+]+\) MiB/s +[\d.]+ \([\d.]+–[\d.]+\)\n`, stdout)
	}
}

func TestQuartiles(t *testing.T) {
	var rounds [][]time.Duration
	value := func(round []time.Duration) float64 { return float64(round[0]) }
	for _, n := range []time.Duration{9, 1, 5, 3, 7} {
		rounds = append(rounds, []time.Duration{n})
	}
	assert.Equal(t, spread{3, 5, 7}, quartiles(rounds, value))
	assert.Equal(t, spread{9, 9, 9}, quartiles(rounds[:1], value))
	assert.Equal(t, spread{3, 5, 7}, quartiles(rounds[:2], value), "1 and 9")
	assert.Equal(t, "5.0 (3.0–7.0)", spread{3, 5, 7}.text("%.1f"))
}

// consumerOf returns the process that ring has started.
func consumerOf(t *testing.T, pid int) (consumer int) {
	t.Helper()
	require.Eventually(t, func() bool {
		// The thread that started it may be any.
		entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, e := range entries {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, e.Name()))
			for child := range strings.FieldsSeq(string(text)) {
				// Package os has had one too, to see whether there are pidfds.
				line, _ := os.ReadFile("/proc/" + child + "/cmdline")
				if strings.HasSuffix(string(line), "\x00"+consumerCommand+"\x00") {
					consumer, _ = strconv.Atoi(child)
					return true
				}
			}
		}
		return false
	}, 10*time.Second, time.Millisecond)
	return consumer
}

// running are arguments that have ring go on for long: with much at a time, and with
// messages one after the other.
var running = map[string][]string{
	"sending": {"-chunk", "100", "-size", "3MiB", "-rounds", "1000000"},
	"trips":   {"-chunk", "1", "-size", "1", "-rounds", "1000000", "-trips", "5000"},
}

// Whenever the consumer is killed, the producer says so, and ends.
func TestConsumerKilled(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	for what, args := range running {
		for after := range 4 {
			cmd := exampletest.Command(t, args...)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			require.NoError(t, cmd.Start())
			consumer := consumerOf(t, cmd.Process.Pid)
			time.Sleep(time.Duration(after*31) * time.Millisecond)
			require.NoError(t, unix.Kill(consumer, unix.SIGKILL))
			_ = cmd.Wait()
			assert.Equal(t, 1, cmd.ProcessState.ExitCode())
			assert.Equal(t, "ring: the consumer has ended: signal: killed\n", errs.String(), what)
		}
	}
}

// Whenever the producer is killed, the consumer says so, and ends.
func TestProducerKilled(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	for what, args := range running {
		for after := range 4 {
			cmd := exampletest.Command(t, args...)
			stderr, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			consumerOf(t, cmd.Process.Pid)
			time.Sleep(time.Duration(30+after*31) * time.Millisecond)
			require.NoError(t, cmd.Process.Kill())
			// The consumer has the other end until it ends.
			text, err := io.ReadAll(stderr)
			assert.NoError(t, err)
			_ = cmd.Wait()
			if len(text) > 0 { // between two tasks that is no error
				assert.Equal(t, "ring: consumer: the producer has ended\n", string(text), what)
			}
		}
	}
}

// After another error the consumer is not left behind, also if it does a task.
func TestAbandon(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	t.Setenv(exampletest.AsProgram, "1")
	p, err := startConsumer(minRing)
	require.NoError(t, err)
	require.NoError(t, p.tasks.Encode(task{Bytes: 100, Chunk: 1}))
	assert.Equal(t, io.EOF, p.abandon(io.EOF))
	alive, err := p.child.Alive()
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.False(t, alive)
	assert.NotNil(t, p.cmd.ProcessState, "it was reaped")
}

// A consumer that waits at the ring, after it has spun, costs no processor time.
func TestIdle(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	t.Setenv(exampletest.AsProgram, "1")
	p, err := startConsumer(minRing)
	require.NoError(t, err)
	require.NoError(t, p.tasks.Encode(task{Way: ringWay, Bytes: 1 << 20, Chunk: 1, Echo: true}))
	b := make([]byte, 1)
	for range 5000 {
		_, err := p.ways[ringWay].Write(b)
		require.NoError(t, err)
		_, err = io.ReadFull(p.ways[ringWay], b)
		require.NoError(t, err)
	}
	systest.Idle(t, p.child.PID())
	_ = p.abandon(io.EOF)
}

// A stopped consumer is waited for.
func TestConsumerStopped(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	cmd := exampletest.Command(t, "-chunk", "64,4KiB", "-rounds", "3", "-size", "4MiB")
	require.NoError(t, cmd.Start())
	consumer := consumerOf(t, cmd.Process.Pid)
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, unix.Kill(consumer, unix.SIGSTOP))
	time.Sleep(100 * time.Millisecond)
	require.NoError(t, unix.Kill(consumer, unix.SIGCONT))
	require.NoError(t, cmd.Wait())
}

// Started by hand it has none of what a producer gives it.
func TestConsumerAlone(t *testing.T) {
	status, stdout, stderr := systest.Result(t, exampletest.Command(t, consumerCommand))
	assert.Equal(t, 1, status)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "not started by a producer")
}

// A producer that gives the consumer something else is refused.
func TestConsumerMisled(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	null, err := os.Open("/dev/null")
	require.NoError(t, err)
	defer null.Close()
	us, err := self(t).File("pidfd")
	require.NoError(t, err)
	defer us.Close()
	for what, files := range map[string][]*os.File{
		"not started by a producer": {null},
		"the memory of the ring":    {us, null, null, null},
	} {
		cmd := exampletest.Command(t, consumerCommand)
		cmd.ExtraFiles = files
		status, _, stderr := systest.Result(t, cmd)
		assert.Equal(t, 1, status)
		assert.Contains(t, stderr, what)
	}
}

// A side refuses an invalid task or result of the other side.
func TestTasks(t *testing.T) {
	for _, bad := range []task{{Way: 3, Chunk: 1}, {Way: -1, Chunk: 1}, {Chunk: 0}, {Chunk: maxChunk + 1}} {
		var text bytes.Buffer
		require.NoError(t, gob.NewEncoder(&text).Encode(bad))
		err := serve(make([]*way, 3), gob.NewDecoder(&text), gob.NewEncoder(io.Discard))
		assert.ErrorContains(t, err, "not a task")
	}
	for _, got := range []answer{{9, 5}, {10, 6}} {
		var text bytes.Buffer
		require.NoError(t, gob.NewEncoder(&text).Encode(got))
		p := producer{answers: gob.NewDecoder(&text)}
		assert.ErrorContains(t, p.check(answer{10, 5}), "and was sent 10 with 00000005")
	}
	p := producer{answers: gob.NewDecoder(strings.NewReader(""))}
	assert.Equal(t, io.ErrUnexpectedEOF, p.check(answer{}))
}

// At a terminal it tells how far it is, and Ctrl-C ends both processes.
func TestTerminal(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	master, terminal := systest.OpenTerminal(t)
	defer master.Close()
	cmd := exampletest.Command(t, running["sending"]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	require.NoError(t, terminal.Close())
	for text := ""; !strings.HasSuffix(text, " of 1000000"); {
		b := make([]byte, 1)
		_, err := master.Read(b)
		require.NoError(t, err, text)
		text += string(b)
	}
	_, err := master.WriteString("\x03")
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, master) // until both have closed the terminal
	_ = cmd.Wait()
	assert.NotZero(t, cmd.ProcessState.ExitCode())
}

func TestCannotWrite(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	status, stderr := systest.ResultFull(t, exampletest.Command(t, "-rounds", "1", "-size", "1", "-trips", "0"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no space left")
}

// However few descriptors there are, the program ends, and says that it lacked some.
func TestFewDescriptors(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	ended := make(map[int]int)
	for limit := 4; limit < 52; limit += 3 {
		cmd := exampletest.After(t, fmt.Sprint("ulimit -n ", limit), exampletest.Command(t, "-rounds", "1", "-size", "1", "-trips", "1"))
		status, _, stderr := systest.Result(t, cmd)
		ended[status]++
		if status != 0 {
			assert.Equal(t, "ring: 31 descriptors are needed: too many open files\n", stderr, limit)
		}
	}
	assert.Positive(t, ended[0])
	assert.Positive(t, ended[1])
}
