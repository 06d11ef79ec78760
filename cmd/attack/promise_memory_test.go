//go:build attack

package attack

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// The promise: each command stays below 64 MiB of memory over what its flags
// ask for, whatever is sent to it.

// A flood is a text that is sent over and over, compressed or not.
type flood struct {
	head   string // of the answer, with the status line
	coding string // "" for none
	first  string
	unit   string
	size   int // bytes, before compression
}

func newFlood(random *rand.Rand) *flood {
	units := []string{
		"x", "[", `{"a":`, "1,", "\xff", "\x01", ":", "data: x\n", "data: x\n\n", "data\n\n", ": c\n\n", "\n", "\r", "id: 1\n\n", "retry: 1\n\n", "event: e\n",
		"id: " + strings.Repeat("i", 9000) + "\ndata: x\n\n", "event: " + strings.Repeat("\x1b", 9000) + "\ndata: x\n\n", "data: " + strings.Repeat("y", 300<<10) + "\n\n",
		"data: {\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n", "data: " + strings.Repeat("[", 9000) + "\n\n", strings.Repeat("u", 9000) + "\n",
	}
	f := &flood{
		head:   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
		coding: []string{"", "", "gzip", "deflate", "br", "zstd"}[random.IntN(6)],
		first:  []string{"", "data: ", ": ", "id: ", "event: ", "data: [", "\ufeff"}[random.IntN(7)],
		unit:   units[random.IntN(len(units))],
		size:   128 << 20,
	}
	switch random.IntN(6) {
	case 0:
		f.head = strings.Replace(f.head, "200 OK", []string{"404 Not Found", "500 x", "200 OK", "206 Part"}[random.IntN(4)], 1)
	case 1:
		f.head = strings.Replace(f.head, "text/event-stream", []string{"text/html", "application/json", "x/y"}[random.IntN(3)], 1)
	case 2:
		f.head += strings.Repeat("X-More: and more\r\n", random.IntN(4000))
	}
	if f.coding != "" {
		f.head += "Content-Encoding: " + f.coding + "\r\n"
	}
	f.head += "Connection: close\r\n\r\n"
	return f
}

func (f *flood) String() string {
	return fmt.Sprintf("head %.100q of %d bytes, coding %q, %.40q, then %.40q again and again", f.head, len(f.head), f.coding, f.first, f.unit)
}

// WriteTo writes the flood until it is whole or nobody takes it.
func (f *flood) WriteTo(w io.Writer) (int64, error) {
	var coder io.WriteCloser
	switch f.coding {
	case "gzip":
		coder, _ = gzip.NewWriterLevel(w, gzip.BestSpeed)
	case "deflate":
		coder, _ = flate.NewWriter(w, flate.BestSpeed)
	case "br":
		coder = brotli.NewWriterLevel(w, 1)
	case "zstd":
		coder, _ = zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	out := w
	if coder != nil {
		out = coder
		defer coder.Close()
	}
	if _, err := io.WriteString(out, f.first); err != nil {
		return 0, err
	}
	piece := []byte(strings.Repeat(f.unit, 1+64<<10/len(f.unit)))
	for sent := 0; sent < f.size; sent += len(piece) {
		if _, err := out.Write(piece); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// TestPromiseMemory floods the program, in a process of its own.
func TestPromiseMemory(t *testing.T) {
	if underRace() {
		t.Skip("the race detector takes memory of its own")
	}
	seed := newSeed(t)
	next := make(chan int)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for i := range next {
				memoryOnce(t, rand.New(rand.NewPCG(seed, uint64(i))), fmt.Sprintf("SSECTL_TEST_SEED=%d, case %d", seed, i))
			}
		})
	}
	for i := range cases(t, 16) {
		if one := os.Getenv("SSECTL_TEST_CASE"); one == "" || one == strconv.Itoa(i) {
			next <- i
		}
	}
	close(next)
	all.Wait()
}

func memoryOnce(t *testing.T, random *rand.Rand, name string) {
	f, dir := newFlood(random), t.TempDir()
	largest, copies := 16<<20, 1 // of the largest event that the flags allow, one in each file
	var args []string
	maybe := func(flags ...string) {
		if random.IntN(3) == 0 {
			args = append(args, flags...)
		}
	}
	command := []string{"listen", "listen", "diag", "serve", "upstream", "upstream"}[random.IntN(6)]
	switch command {
	case "listen":
		maybe("--compressed")
		if random.IntN(3) == 0 {
			args, copies = append(args, "--record", filepath.Join(dir, "r")), copies+1
		}
		if random.IntN(3) == 0 {
			args, copies = append(args, "--save-har", filepath.Join(dir, "h")), copies+1
		}
		maybe("--cursor", filepath.Join(dir, "c"))
		maybe("--stats", "json")
		maybe("--comments")
		maybe("--format", []string{"text", "json", "data", "raw"}[random.IntN(4)])
		if random.IntN(3) == 0 {
			// A value takes some dozen bytes for each of its text.
			largest = 512 << 10
			args = append(args, "--max-event-size", "512k", []string{"--jq", "--filter", "--until", "--fail-if"}[random.IntN(4)], ".json.a == 2")
		}
		args = append([]string{"listen", "-m", "5"}, args...)
	case "diag":
		maybe("--quick")
		maybe("--format", []string{"json", "junit", "markdown"}[random.IntN(3)])
		maybe("--profile", []string{"openai", "mcp"}[random.IntN(2)])
		args = append([]string{"diag", "--duration", "2s"}, args...)
	case "serve":
		maybe("--ids", []string{"auto", "none"}[random.IntN(2)])
		maybe("--shared")
		args = append([]string{"serve", "-p", "0", "--print-url", "--history", "20", "--max-event-size", "512k", "--from", []string{"sse", "text", "jsonl"}[random.IntN(3)]}, args...)
	case "upstream":
		if random.IntN(2) == 0 {
			args = append(args, "--record", filepath.Join(dir, "tape"))
		}
		maybe("--fault", "drop@1000000")
		maybe("--print=json")
		// Each stream may have the largest event at the same time, twice where its
		// buffer grows; and a tape has one more.
		largest, copies = 1<<20, 2*floodStreams
		if slices.Contains(args, "--record") {
			copies += floodStreams
			if !strings.Contains(f.head, "text/event-stream") {
				// A body of 8 MiB of each answer, and four copies of the one that is
				// written, in JSON.
				copies += 8 * (floodStreams + 4)
			}
		}
		if slices.Contains(args, "--print=json") {
			copies += floodStreams
		}
		if f.coding == "br" || f.coding == "zstd" {
			copies += 8 * floodStreams // the window of each decoder
		}
		f.size = 64 << 20
		if slices.Contains(args, "--record") {
			f.size = 16 << 20 // a block of one byte takes a line of the tape, and a microsecond or two
		}
		args = append([]string{"serve", "-p", "0", "--print-url", "--max-event-size", "1M", "--upstream", floodServer(t, f)}, args...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // a hang
	defer cancel()
	var errs bytes.Buffer
	run := exec.CommandContext(ctx, "ssectl", args...)
	if command == "listen" || command == "diag" {
		run = exec.CommandContext(ctx, "ssectl", append(args, floodServer(t, f))...)
	}
	run.Stderr = &errs
	peak := cmdtest.WatchPeak(t, run)
	err := func() error {
		switch command {
		case "serve":
			return floodServe(run, f)
		case "upstream":
			return floodClients(run, random)
		}
		return run.Run()
	}()
	if ctx.Err() != nil || run.ProcessState == nil || run.ProcessState.ExitCode() < 0 || strings.Contains(errs.String(), "goroutine ") {
		t.Errorf("%s: ssectl %q: %v: %.2000s\n%v", name, args, err, errs.String(), f)
	}
	limit := 64 << 20
	if command == "listen" || command == "upstream" {
		limit += largest * copies
	}
	if peak() > limit {
		t.Errorf("%s: ssectl %q took %d MiB, want %d at most\n%v", name, args, peak()>>20, limit>>20, f)
	}
	t.Logf("%s: %d MiB, ssectl %q: %v", name, peak()>>20, args, f)
}

// floodServer answers every request with f.
func floodServer(t *testing.T, f *flood) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return "http://127.0.0.1:1"
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(time.Minute))
				conn.Read(make([]byte, 4096))
				if _, err := io.WriteString(conn, f.head); err == nil {
					f.WriteTo(conn)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// floodServe has serve read the flood from its standard input, while clients
// take nothing and others ask for too much.
func floodServe(run *exec.Cmd, f *flood) error {
	in, err := run.StdinPipe()
	if err != nil {
		return err
	}
	out, err := run.StdoutPipe()
	if err != nil {
		return err
	}
	if err := run.Start(); err != nil {
		return err
	}
	host := firstURL(bufio.NewReader(out))
	for i := range 20 {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			break // the input is refused
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		request := "GET / HTTP/1.1\r\nHost: h\r\n"
		if i%4 == 3 {
			request += "X-More: " + strings.Repeat("m", 2<<20)
		}
		io.WriteString(conn, request+"\r\n\r\n")
	}
	plain := *f
	plain.coding, plain.size = "", 64<<20
	plain.WriteTo(in)
	in.Close()
	run.Process.Signal(syscall.SIGTERM)
	return run.Wait()
}

// firstURL returns the host that serve prints.
func firstURL(out *bufio.Reader) string {
	line, _ := out.ReadString('\n')
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "http://"), "/")
}

// floodStreams is how many streams floodClients has at once, at most.
const floodStreams = 3

// floodClients has clients of a relay that take nothing, and two, one after the
// other, that read the flood whole.
func floodClients(run *exec.Cmd, random *rand.Rand) error {
	pipe, err := run.StdoutPipe()
	if err != nil {
		return err
	}
	if err := run.Start(); err != nil {
		return err
	}
	out := bufio.NewReader(pipe)
	host := firstURL(out)
	go io.Copy(io.Discard, out) // events that are printed
	for range random.IntN(floodStreams) {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(conn, "GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	for range 2 {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			return err
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, conn)
		conn.Close()
	}
	run.Process.Signal(syscall.SIGTERM)
	return run.Wait()
}
