package main

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/examples/internal/poller"
)

// serveByGoroutines is the usual server: a goroutine for each client, on package net.
func serveByGoroutines(path string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			defer c.Close()
			in, out := bufio.NewReader(c), bufio.NewWriter(c)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if strings.TrimSpace(line) == "ping" {
					_, _ = out.WriteString("ok\n")
				}
				if in.Buffered() == 0 && out.Flush() != nil {
					return
				}
			}
		}()
	}
}

// Requests per second, of clients that send so many at a time and wait for the
// answers, and the processor time that the server takes for one.
func BenchmarkPing(b *testing.B) {
	for _, load := range []struct{ clients, depth int }{{1, 1}, {16, 1}, {256, 1}, {16, 16}} {
		for _, engine := range []string{"epoll", "io_uring", goroutines} {
			b.Run(fmt.Sprintf("clients=%d/depth=%d/%s", load.clients, load.depth, engine), func(b *testing.B) {
				socket := filepath.Join(b.TempDir(), "socket")
				server := exampletest.Command(b, goroutines, socket)
				if engine != goroutines {
					p, err := poller.Engines[engine]()
					skipUnavailable(b, err)
					require.NoError(b, p.Close())
					server = exampletest.Command(b, "-engine", engine, "-listen", "unix:"+socket)
				}
				require.NoError(b, server.Start())
				requests := ping(b, socket, load.clients, load.depth)
				_ = server.Process.Kill()
				_ = server.Wait()
				used := server.ProcessState.UserTime() + server.ProcessState.SystemTime()
				b.ReportMetric(float64(used.Nanoseconds())/float64(requests), "server-ns/request")
			})
		}
	}
}

func ping(b *testing.B, socket string, clients, depth int) (sent int) {
	requests := []byte(strings.Repeat("ping\n", depth))
	conns := make([]net.Conn, clients)
	for i := range conns {
		require.Eventually(b, func() (connected bool) {
			c, err := net.Dial("unix", socket)
			conns[i] = c
			return err == nil
		}, 10*time.Second, time.Millisecond)
		defer conns[i].Close()
	}
	rounds := b.N/(clients*depth) + 1
	failed := make(chan error, clients)
	b.ResetTimer()
	for _, c := range conns {
		go func() {
			answers := make([]byte, depth*len("ok\n"))
			var err error
			for n := 0; n < rounds && err == nil; n++ {
				if _, err = c.Write(requests); err == nil {
					for got, n := 0, 0; got < len(answers) && err == nil; got += n {
						n, err = c.Read(answers[got:])
					}
				}
			}
			failed <- err
		}()
	}
	for range conns {
		require.NoError(b, <-failed)
	}
	b.StopTimer()
	sent = rounds * clients * depth
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "requests/s")
	return sent
}
