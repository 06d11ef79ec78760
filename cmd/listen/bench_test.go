//go:build unix

package listencmd_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

	"github.com/ssectl/ssectl/internal/streamtest"
	"github.com/ssectl/ssectl/pkg/stream"
)

// The benchmarks run the built program, and the one it is compared with, in the
// same run on the same stream:
//
//	go test ./cmd/listen -run XXX -bench Listen -benchtime 5x

// build builds a program as a release does and returns its path.
func build(b *testing.B, pkg string) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "program")
	run := exec.Command("go", "build", "-o", program, pkg)
	run.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := run.CombinedOutput()
	if err != nil {
		b.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return program
}

// deltas is a piece of a stream of LLM deltas, as one answer has them: they
// differ in the token.
var deltas = sync.OnceValue(func() []byte {
	tokens := strings.SplitAfter("The tide comes in over grey sand, and what it leaves behind is, extraordinarily, a harbour full of lights. ", " ")
	var b bytes.Buffer
	for i := range 4000 {
		fmt.Fprintf(&b, `data: {"id":"chatcmpl-sample0001","object":"chat.completion.chunk","created":1795000000,"model":"sample-4","service_tier":"default","system_fingerprint":"fp_sample","choices":[{"index":0,"delta":{"content":%q},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n", tokens[i%len(tokens)])
	}
	return b.Bytes()
})

// trades is a piece of a stream whose events have no more in common than their
// keys: an ID, a type, and 200 bytes of JSON.
var trades = sync.OnceValue(func() []byte { return streamtest.Named("trades").Text })

// writeSize is that of a server with a plain body, which curl is fastest at.
const writeSize = 64 << 10

// plainServer sends size bytes of text, over and over, on every connection, with
// nothing but what that takes, and returns its URL. Every second connection is told
// that there is nothing more, if its path is /again.
func plainServer(b *testing.B, text []byte, size int) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		again := 0
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil && req.URL.Path == "/again" {
				again++
			}
			if err == nil && again%2 == 0 && req.URL.Path == "/again" {
				io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
			} else if err == nil {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
				for sent := 0; sent < size && err == nil; sent += len(text) {
					for piece := range slices.Chunk(text, writeSize) {
						if _, err = conn.Write(piece); err != nil {
							break
						}
					}
				}
			}
			conn.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// serveServer has the program serve size bytes of text, over and over, in chunks.
func serveServer(b *testing.B, program string, text []byte, size int) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "stream.sse")
	f, err := os.Create(file)
	for written := 0; written < size && err == nil; written += len(text) {
		_, err = f.Write(text)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		b.Fatal(err)
	}
	run := exec.Command(program, "serve", "--addr", "127.0.0.1:0", "--print-url", file)
	out, err := run.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := run.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		run.Process.Kill()
		run.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// cost runs a command line of the shell and returns the CPU time and the peak
// memory that it took, its children included. The memory of this test counts as well,
// as the shell begins as a copy of it.
func cost(b *testing.B, line string) (cpu time.Duration, peak int64) {
	b.Helper()
	run := exec.Command("sh", "-c", line)
	var errs bytes.Buffer
	run.Stderr = &errs
	if err := run.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", line, err, errs.String())
	}
	usage, ok := run.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Skip("no resource usage on this system")
	}
	return run.ProcessState.UserTime() + run.ProcessState.SystemTime(), int64(usage.Maxrss)
}

// BenchmarkListenThroughput states the CPU time of listen as a multiple of that of
// curl -sN, which parses nothing, and its peak memory: for events that share their
// envelope, for events that do not, and for those from serve, where curl has chunks
// to take apart.
func BenchmarkListenThroughput(b *testing.B) {
	need(b, "curl")
	size := 300_000_000
	if testing.Short() {
		size = 30_000_000
	}
	program := build(b, "../..")
	for _, source := range []struct {
		name string
		url  func(b *testing.B) string
	}{
		{"deltas", func(b *testing.B) string { return plainServer(b, deltas(), size) }},
		{"trades", func(b *testing.B) string { return plainServer(b, trades(), size) }},
		{"trades-served", func(b *testing.B) string { return serveServer(b, program, trades(), size) }},
	} {
		b.Run(source.name, func(b *testing.B) {
			url := source.url(b)
			for _, format := range []string{"raw --no-reconnect", "raw", "data", "json"} {
				b.Run(strings.ReplaceAll(format, " ", ""), func(b *testing.B) {
					line := "exec " + program + " listen --retry-delay 0 --format " + format + " " + url + "/again"
					compare(b, size, line, "exec curl -sN "+url, "of-curl")
				})
			}
		})
	}
}

// BenchmarkListenQuery states the CPU time of --jq and --filter as a part of that of
// the pipe into jq that they replace: one that shows events as they come, and one that
// holds them back in buffers, which costs it less.
func BenchmarkListenQuery(b *testing.B) {
	for _, tool := range []string{"curl", "sed", "jq"} {
		need(b, tool)
	}
	program := build(b, "../..")
	for _, query := range []struct {
		name        string
		text        func() []byte
		flags, pipe string
	}{
		{"delta", deltas, "--jq '.json.choices[0].delta.content // empty'", "-r '.choices[0].delta.content // empty'"},
		{"price", trades, "--filter '.json.price > 100' --format data", "-c 'select(.price > 100)'"},
		{"object", trades, "--jq '{(.event): .json.price}'", "-c '{tide: .price}'"},
	} {
		for _, pipe := range []struct {
			name, sed, jq string
			size          int
		}{
			{"live", "sed -un", "jq --unbuffered", 4_000_000},
			{"buffered", "sed -n", "jq", 100_000_000},
		} {
			b.Run(query.name+"/"+pipe.name, func(b *testing.B) {
				if testing.Short() {
					pipe.size /= 4
				}
				url := plainServer(b, query.text(), pipe.size)
				compare(b, pipe.size, "exec "+program+" listen --no-reconnect "+query.flags+" "+url,
					"curl -sN "+url+" | "+pipe.sed+" 's/^data: //p' | "+pipe.jq+" "+query.pipe, "of-pipe")
			})
		}
	}
}

func need(b *testing.B, tool string) {
	b.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		b.Skipf("no %s to compare with", tool)
	}
}

// compare states the CPU time of one command line as a multiple of that of another,
// run in turn.
func compare(b *testing.B, size int, ours, theirs, unit string) {
	b.SetBytes(int64(size))
	var one, other []time.Duration
	var peak int64
	for b.Loop() {
		cpu, _ := cost(b, theirs+" >/dev/null")
		other = append(other, cpu)
		cpu, rss := cost(b, ours+" >/dev/null")
		one = append(one, cpu)
		peak = max(peak, rss)
	}
	b.ReportMetric(float64(median(one).Nanoseconds())/float64(size), "cpu-ns/B")
	b.ReportMetric(float64(median(one))/float64(median(other)), unit)
	b.ReportMetric(float64(peak)/1024, "peak-MiB")
}

func median[T time.Duration | float64](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkListenLatency states how long after it was sent an event is out of
// listen, at a thousand events a second.
func BenchmarkListenLatency(b *testing.B) {
	program := build(b, "../..")
	const events = 2000
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range events {
			<-tick.C
			fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
			w.(http.Flusher).Flush()
		}
	}))
	defer server.Close()
	for _, program := range []struct{ name, line string }{
		{"listen", program + " listen --no-reconnect --format data " + server.URL},
		{"curl", "curl -sN " + server.URL},
	} {
		b.Run(program.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				args := strings.Fields(program.line)
				run := exec.Command(args[0], args[1:]...)
				out, err := run.StdoutPipe()
				if err != nil {
					b.Fatal(err)
				}
				if err := run.Start(); err != nil {
					b.Skip(err)
				}
				for lines := bufio.NewScanner(out); lines.Scan(); {
					sent, err := strconv.ParseInt(strings.TrimPrefix(lines.Text(), "data: "), 10, 64)
					if err == nil {
						took = append(took, time.Duration(time.Now().UnixNano()-sent))
					}
				}
				run.Wait()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkListenStartup states the time that "ssectl version" takes as a multiple
// of that of a program which prints one line.
func BenchmarkListenStartup(b *testing.B) {
	hello := filepath.Join(b.TempDir(), "hello.go")
	if err := os.WriteFile(hello, []byte("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	program, least := build(b, "../.."), build(b, hello)
	wall := func(args ...string) time.Duration {
		start := time.Now()
		if err := exec.Command(args[0], args[1:]...).Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var ours, leasts []time.Duration
	for b.Loop() {
		ours = append(ours, wall(program, "version"))
		leasts = append(leasts, wall(least))
	}
	b.ReportMetric(float64(median(ours).Microseconds()), "µs")
	b.ReportMetric(float64(median(ours))/float64(median(leasts)), "of-hello")
}
