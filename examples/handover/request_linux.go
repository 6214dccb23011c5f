package main

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	mostBytes    = 16 << 10 // of a request
	mostCounters = 100_000
	longestWait  = time.Hour
)

// A request is one of HTTP.
type request struct {
	method  string
	name    string
	after   time.Duration
	last    bool // the client wants the connection closed
	size    int  // in bytes, those of the body included
	expects bool // the client sends the body after 100 Continue
}

// A refusal is the answer to a request that the server does not accept. Its end is not
// known, so the connection ends with it.
type refusal struct {
	status int
	reason string
}

func (r refusal) Error() string { return r.reason }

var endOfHead = regexp.MustCompile(`\n\r?\n`)

// nextRequest returns the request that in begins with, or nil if its head is incomplete.
// The body may be incomplete. The errors are refusals.
func nextRequest(in []byte) (*request, error) {
	head := endOfHead.FindIndex(in)
	if head == nil {
		if len(in) > mostBytes {
			return nil, refusal{http.StatusRequestHeaderFieldsTooLarge, "the request is too long"}
		}
		return nil, nil
	}
	h, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
	switch {
	case err != nil:
		return nil, refusal{http.StatusBadRequest, err.Error()}
	case h.Method != http.MethodGet && h.Method != http.MethodPost:
		return nil, refusal{http.StatusMethodNotAllowed, "neither GET nor POST"}
	case h.ContentLength < 0:
		return nil, refusal{http.StatusLengthRequired, "the length of the body is not given"}
	case h.ContentLength > mostBytes:
		return nil, refusal{http.StatusRequestEntityTooLarge, "the body is too long"}
	}
	r := &request{
		method:  h.Method,
		name:    strings.TrimPrefix(h.URL.Path, "/"),
		last:    h.Close || !h.ProtoAtLeast(1, 1),
		size:    head[1] + int(h.ContentLength),
		expects: strings.EqualFold(h.Header.Get("Expect"), "100-continue"),
	}
	if text := h.URL.Query().Get("after"); text != "" {
		if r.after, err = time.ParseDuration(text); err != nil || r.after < 0 || r.after > longestWait {
			return nil, refusal{http.StatusBadRequest, "after is not a duration up to an hour"}
		}
	}
	return r, nil
}

// aName matches names that JSON does not change.
var aName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// count does the request.
func (s *server) count(r *request) (status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, known := s.counters[r.name]
	switch {
	case r.method == http.MethodGet && r.name == "":
		return http.StatusOK, s.list()
	case !aName.MatchString(r.name):
		return http.StatusNotFound, "no such counter\n"
	case r.method == http.MethodGet:
	case !known && len(s.counters) >= mostCounters:
		return http.StatusInsufficientStorage, "too many counters\n"
	default:
		value++
		s.counters[r.name] = value
	}
	return http.StatusOK, fmt.Sprintln(value)
}

func (s *server) list() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.counters)) {
		fmt.Fprintf(&b, "%s %d\n", name, s.counters[name])
	}
	return b.String()
}

func answer(status int, body string, closing bool) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nProcess: %d\r\n",
		status, http.StatusText(status), len(body), os.Getpid())
	if closing {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(append(b, "\r\n"...), body...)
}
