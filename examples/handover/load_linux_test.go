package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The whole load is
//
//	go test ./examples/handover -run TestRestarts -v -requests 1000000 -restarts 50 -steps
var (
	mostRequests = flag.Int64("requests", 12_000, "TestRestarts: how many requests")
	mostRestarts = flag.Int("restarts", 12, "TestRestarts: how many restarts")
	steps        = flag.Bool("steps", false, "TestRestarts: the server's wall clock is set each second, "+
		"by hours; the go command builds it with another package time")
)

// stepping builds handover with a wall clock that goes an hour back, an hour on, and an
// hour on again. The monotonic clock is the kernel's. To set the clock of the machine
// would need a privilege, and reach other programs.
func stepping(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	const begin = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	require.Contains(t, string(text), begin)
	text = []byte(strings.Replace(string(text), begin, begin+"\tsec += (mono/1e9%3 - 1) * 3600\n", 1))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "time.go"), text, 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: filepath.Join(dir, "time.go")}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	program := filepath.Join(dir, "handover")
	out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// A load is what clients see while they count, each with a counter of its own and one in
// common.
type load struct {
	t    testing.TB
	done atomic.Int64
	stop atomic.Bool

	mu      sync.Mutex
	last    time.Time
	gap     time.Duration // the longest without an answer to any client
	longest time.Duration // the longest that a client has waited
}

// count counts by post, which returns what was answered.
func (l *load) count(name, query string, post func(path, body string) (string, error)) {
	for own := 1; !l.stop.Load(); own++ {
		for _, path := range []string{"/" + name, "/all"} {
			body := strings.Repeat("x", rand.IntN(100))
			if own%50 == 0 {
				body = strings.Repeat("x", rand.IntN(mostBytes))
			}
			begun := time.Now()
			answer, err := post(path+query, body)
			if !assert.NoError(l.t, err, name) {
				return
			}
			// Not one lost, and none done twice.
			if path != "/all" && !assert.Equal(l.t, fmt.Sprintln(own), answer, name) {
				return
			}
			l.answered(begun)
		}
	}
}

func (l *load) answered(begun time.Time) {
	l.done.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.Now()
	if !l.last.IsZero() {
		l.gap = max(l.gap, at.Sub(l.last))
	}
	l.last = at
	l.longest = max(l.longest, at.Sub(begun))
}

// until waits for a number of answers.
func (l *load) until(answers int64) {
	l.t.Helper()
	for limit := time.Now().Add(50 * time.Minute); l.done.Load() < answers; time.Sleep(time.Millisecond) {
		require.False(l.t, l.t.Failed())
		require.True(l.t, time.Now().Before(limit), "%d answers of %d", l.done.Load(), answers)
	}
}

// Many requests while servers follow one another.
func TestRestarts(t *testing.T) {
	restarts, between := *mostRestarts/2, *mostRequests/int64(max(1, *mostRestarts))
	if testing.Short() {
		restarts, between = 3, 100
	}
	for network, flags := range map[string][]string{
		"tcp":  nil,
		"unix": {"-listen", filepath.Join(t.TempDir(), "socket")},
	} {
		t.Run(network, func(t *testing.T) {
			program := ""
			if *steps {
				program = stepping(t)
			}
			s := beginAs(t, program, nil, flags...)
			l := &load{t: t}
			var clients sync.WaitGroup
			defer clients.Wait()
			defer l.stop.Store(true)
			for i := range 4 {
				// Through package net/http, with connections that are kept, and with
				// one for each request.
				transport := &http.Transport{
					DisableKeepAlives: i == 0,
					DialContext: func(context.Context, string, string) (net.Conn, error) {
						return net.Dial(s.network, s.address)
					},
				}
				client := &http.Client{Transport: transport, Timeout: 50 * time.Second}
				clients.Go(func() {
					defer transport.CloseIdleConnections()
					l.count(fmt.Sprint("http", i), "", func(path, body string) (string, error) {
						r, err := client.Post("http://x"+path, "text/plain", strings.NewReader(body))
						if err != nil {
							return "", err
						}
						defer r.Body.Close()
						answer, err := io.ReadAll(r.Body)
						return string(answer), err
					})
				})
			}
			processes := make(map[string]bool)
			for i := range 4 {
				// On a connection that is never made again. Uploads come in two pieces.
				c := s.dial()
				require.NoError(t, c.SetDeadline(time.Time{}))
				clients.Go(func() {
					l.count(fmt.Sprint("one", i), "", func(path, body string) (string, error) {
						request := text("POST", path, body)
						at := rand.IntN(len(request))
						c.send(request[:at])
						c.send(request[at:])
						_, answer, process := c.next()
						if i == 0 {
							processes[process] = true
						}
						return answer, nil
					})
				})
			}
			// Clients that shut down their sending side.
			clients.Go(func() { l.count("half", "", s.halfClosed) })
			// Requests that wait, with a deadline that must not follow the wall clock.
			for i := range 4 {
				clients.Go(func() { l.count(fmt.Sprint("later", i), "?after=20ms", s.halfClosed) })
			}
			begun := time.Now()
			var pause time.Duration
			for i := range restarts {
				l.until(int64(i+1) * between)
				pause = max(pause, s.restart(i))
			}
			l.until(int64(restarts+1) * between)
			l.stop.Store(true)
			clients.Wait()
			took := time.Since(begun)
			var counted int64
			_, err := fmt.Sscan(s.dial().ask("GET", "/all", ""), &counted)
			require.NoError(t, err)
			lost := l.done.Load()/2 - counted
			assert.Zero(t, lost)
			assert.Len(t, processes, restarts+1, "one connection was served by them all")
			assert.Empty(t, s.stderr())
			t.Logf("%d requests, %d restarts, %d lost, %.0f requests per second, the longest pause %v, "+
				"the longest time without an answer %v, the longest wait of a client %v",
				l.done.Load(), restarts, lost, float64(l.done.Load())/took.Seconds(), pause, l.gap, l.longest)
		})
	}
}

// halfClosed posts on a connection of its own, whose sending side it shuts down.
func (s *service) halfClosed(path, body string) (string, error) {
	c, err := net.Dial(s.network, s.address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(50 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, text("POST", path, body)); err != nil {
		return "", err
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	_, own, _ := strings.Cut(string(answer), "\r\n\r\n")
	return own, err
}
